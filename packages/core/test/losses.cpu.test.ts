// Auxiliary losses: minimised as if they were part of the loss, reported apart per token, the same on every stage.
import { segments } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { zbH1 } from "../../testing/schedules/zb-h1.ts";
import { type Held, type Model, segment, useDevice } from "../src/index.ts";
import { bits, following, type Ran, ran, small, squares } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** Every layer named adds the squares of its output under `size`, and block 1 under a name of its own too. */
const sized = (...named: string[]): Model =>
  following(small(), async (tape, y, layer) => {
    if (named.includes(layer)) tape.addLoss("size", await tape.local(squares, "", y));
    if (named.includes(layer) && layer === "1") tape.addLoss("one", await tape.local(squares, "", y));
    return y;
  });

const auxiliary = ({ reports }: Ran) => reports.map((report) => report.auxiliary);

test("one that is the loss again is reported as the loss is, per token, and doubles the gradient, bit by bit", async () => {
  const twice: Model = {
    ...small(),
    async loss(tape, y: Held, target: Held) {
      tape.addLoss("again", await tape.local(segments.squaredError, "", y, target));
      return tape.local(segments.squaredError, "", y, target);
    },
  };
  const [plain, doubled] = [await ran({ steps: 1 }), await ran({ model: twice, steps: 1 })];
  expect(doubled.losses).toEqual(plain.losses);
  expect(auxiliary(doubled)).toEqual([{ again: plain.losses[0] }]);
  expect(doubled.reports[0]!.norm).toBe(2 * plain.reports[0]!.norm);
  expect(auxiliary(plain)).toEqual([{}]);
});

test("its gradient is the one it would have as a part of the loss", async () => {
  const add = segment({ name: "add", params: [], run: (_, a, b) => a!.add(b!) });
  const inside: Model = {
    ...small(),
    loss: async (tape, y: Held, target: Held) =>
      tape.local(add, "", await tape.local(segments.squaredError, "", y, target), await tape.local(squares, "", y)),
  };
  const [apart, within] = [await ran({ model: sized("out") }), await ran({ model: inside })];
  for (const [i, { loss, norm, auxiliary }] of apart.reports.entries()) {
    expect(loss + auxiliary.size!).toBeCloseTo(within.losses[i]!, 5);
    expect(norm).toBeCloseTo(within.reports[i]!.norm, 5);
  }
  for (const [name, values] of apart.weights)
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(within.weights.get(name)![i]!, 5);
});

test("one of a layer in the middle reaches the layers before it, and no others", async () => {
  const moved = async (model: Model) => {
    const [from, to] = [await ran({ model, steps: 1, clip: 1e9 }), await ran({ steps: 1, clip: 1e9 })];
    return [...from.weights.keys()].filter((name) => `${from.weights.get(name)}` !== `${to.weights.get(name)}`);
  };
  const names = await moved(sized("1"));
  expect(new Set(names.map((name) => name.split(".")[0]))).toEqual(new Set(["in", "0", "1"]));
});

const names = ["in", "1", "3"];

test("several under one name are summed; names are in the model's order", async () => {
  const { plan, reports } = await ran({ model: sized(...names), steps: 1 });
  expect(plan.losses).toEqual(["size", "one"]);
  const each = await Promise.all(names.map(async (name) => (await ran({ model: sized(name), steps: 1 })).reports[0]!));
  const size = each.reduce((sum, report) => sum + report.auxiliary.size!, 0);
  expect(reports[0]!.auxiliary.size).toBeCloseTo(size, 5);
  expect(reports[0]!.auxiliary.one).toBe(each[1]!.auxiliary.one);
});

describe("on stages", () => {
  const schedules = { gpipe: "gpipe", "1f1b": "1f1b", "zb-h1": zbH1 } as const;

  test.each(Object.entries(schedules))("%s: the gradients of one rank, bit by bit", async (_, schedule) => {
    const alone = bits(await ran({ model: sized(...names) }));
    for (const pp of [1, 2, 3]) {
      const strategies = [pipeline({ schedule, micros: 4 })];
      const { steps, weights } = bits(await ran({ model: sized(...names), mesh: { pp }, strategies }));
      expect(weights).toEqual(alone.weights);
      expect(steps.map(({ loss, norm }) => [loss, norm])).toEqual(alone.steps.map(({ loss, norm }) => [loss, norm]));
      for (const [i, { auxiliary }] of steps.entries())
        for (const [name, value] of Object.entries(alone.steps[i]!.auxiliary))
          expect(auxiliary[name]! / value).toBeCloseTo(1, 6); // one name on two stages is summed stage by stage
    }
  });

  test("over a divided batch they are those of the whole batch", async () => {
    const alone = await ran({ model: sized(...names) });
    const strategies = [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })];
    const spread = await ran({ model: sized(...names), mesh: { pp: 2, dp: 2 }, strategies });
    for (const [i, report] of spread.reports.entries())
      for (const [name, value] of Object.entries(alone.reports[i]!.auxiliary))
        expect(report.auxiliary[name]! / value).toBeCloseTo(1, 4);
  });
});
