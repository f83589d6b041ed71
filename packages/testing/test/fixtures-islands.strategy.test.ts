// Islands through the conformance suite, and against an oracle: plain arithmetic on a line, the islands one after the other.
import { type Data, type Model, segment, sgd } from "@orthant/core";
import { describe, expect, test } from "vitest";
import { observe, testStrategy } from "../src/index.ts";
import { islandsFixture } from "../strategies/fixtures.ts";
import { islands } from "../strategies/islands.ts";

describe("conforms", () => {
  for (const { name, run } of testStrategy(() => islandsFixture)) test(name, run);
});

/** `y = a x`: a scalar parameter, squared error. */
const line: Model = {
  name: "line",
  layers: [
    {
      name: "line",
      params: [{ name: "a", shape: [1], init: { kind: "constant", value: 0.5 } }],
      forward: (tape, x) => tape.local(times, "line", x),
    },
  ],
  loss: (tape, y, target) => tape.local(squares, "", y, target),
};
const times = segment({ name: "times", params: ["a"], run: ([a], x) => x!.mul(a!) });
const squares = segment({
  name: "squares",
  params: [],
  run: (_, y, target) => y!.sub(target!).square().sum(),
  shape: () => ({ shape: [], flops: 1, kept: 0 }),
});

const x = (i: number) => Math.sin(i) + 1;
const y = (i: number) => 2 * x(i) + Math.cos(3 * i);
const field = { shape: [1], dtype: "float32" } as const;
const data: Data = {
  input: field,
  target: field,
  tokens: 1,
  sample: (i) => ({ input: Float32Array.of(x(i)), target: Float32Array.of(y(i)) }),
};

const [batch, every, inner, lr, momentum] = [12, 3, 0.02, 0.7, 0.9];

/** The losses of each island, and the parameter at the end. */
function oracle(count: number, steps: number) {
  const each = batch / count;
  const values = Array.from({ length: count }, () => 0.5);
  const losses: number[][] = values.map(() => []);
  let [anchor, velocity] = [0.5, 0];
  for (let step = 0; step < steps; step++) {
    for (const [island, a] of values.entries()) {
      const samples = Array.from({ length: each }, (_, i) => step * batch + island * each + i);
      losses[island]!.push(samples.reduce((sum, i) => sum + (a * x(i) - y(i)) ** 2, 0) / each);
      values[island] = a - inner * (samples.reduce((sum, i) => sum + 2 * (a * x(i) - y(i)) * x(i), 0) / each);
    }
    if ((step + 1) % every !== 0 && step < steps - 1) continue;
    const outer = anchor - values.reduce((a, b) => a + b) / count;
    velocity = momentum * velocity + outer;
    anchor -= lr * (outer + momentum * velocity);
    values.fill(anchor);
  }
  return { losses, value: anchor };
}

describe.each([1, 2, 3, 4])("%i islands", (count) => {
  test.each([
    ["whole rounds", 6],
    ["a last round that is shorter", 8],
  ])("%s: each has the losses of the oracle, all end where it does", async (_, steps) => {
    const found = await observe({
      model: line,
      data,
      batch,
      optimizer: sgd({ lr: inner }),
      steps,
      mesh: { island: count },
      strategies: [islands({ every, lr, momentum })],
    });
    const { losses, value } = oracle(count, steps);
    for (const [island, { losses: mine }] of found.outcomes.entries())
      for (const [step, loss] of mine.entries()) expect(loss).toBeCloseTo(losses[island]![step]!, 5);
    for (const pieces of found.parameters) expect(pieces.get("line.a")![0]).toBeCloseTo(value, 5);
    if (count > 1) expect(found.outcomes[0]!.losses).not.toEqual(found.outcomes[1]!.losses);
  });
});
