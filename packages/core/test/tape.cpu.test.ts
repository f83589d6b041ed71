// The tape: backward against tfjs's gradient of the same function, collectives between members, and who owns a tensor.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Held, rebind, recompute, useDevice } from "../src/index.ts";
import { momentOf } from "../src/params/moment.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";
import { add, input, member, negative, product, squares, type Way, weights } from "./tape-cases.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** sum of squares of x + leave(enter(x) w); the loss, the gradient of x and of w on each member. */
async function train(size: number, { vjp = rebind, half = "whole" }: Way = {}) {
  return Promise.all(
    memory(size, { stall: 2000 }).map(async (endpoint) => {
      const x = input() as unknown as Held;
      const { tape, gradients, meter, free } = member(endpoint, { vjp }, x);
      const branch = await tape.leave("tp", await tape.local(product, "a", await tape.enter("tp", x)));
      const y = await tape.local(squares, "", await tape.local(add, "", x, branch));
      tape.seal(y);
      const loss = y.dataSync()[0]!;
      const held = meter.now.activations;
      const dx = (await tape.backward(y, tf.scalar(1), x, { half }))!;
      if (half === "inputs") await tape.backwardWeights();
      await gradients.finish(["a.w"], momentOf(0));
      const dw = [...gradients.get("a.w")!.dataSync()];
      const answer = { loss, dx: [...dx.dataSync()], dw, held, left: meter.now.activations };
      tf.dispose([x, dx]);
      free();
      return answer;
    }),
  );
}

/** The same by tfjs: the members' weights add up. */
function expected(size: number) {
  return tf.tidy(() => {
    const w = tf.addN(Array.from({ length: size }, (_, at) => tf.tensor2d(weights(at), [3, 3])));
    const f = (x: tf.Tensor, w: tf.Tensor) =>
      x
        .add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D))
        .square()
        .sum() as tf.Scalar;
    const [dx, dw] = tf.grads(f)([input(), w]);
    return { loss: f(input(), w).dataSync()[0]!, dx: [...dx!.dataSync()], dw: [...dw!.dataSync()] };
  });
}

function close(found: readonly number[], want: readonly number[]): void {
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(want[i]!, 3);
}

describe.each([1, 2, 3, 4])("on %i members", (size) => {
  test("loss and gradients are those of the sum", async () => {
    for (const { loss, dx, dw } of await train(size)) {
      expect(loss).toBeCloseTo(expected(size).loss, 3);
      close(dx, expected(size).dx);
      close(dw, expected(size).dw);
    }
  });

  test("recomputing gives the same bits, and so does a backward in halves", async () => {
    const values = (all: Awaited<ReturnType<typeof train>>) => all.map(({ loss, dx, dw }) => ({ loss, dx, dw }));
    const whole = values(await train(size));
    expect(values(await train(size, { vjp: recompute }))).toEqual(whole);
    expect(values(await train(size, { half: "inputs" }))).toEqual(whole);
    expect(values(await train(size, { half: "inputs", vjp: recompute }))).toEqual(whole);
  });

  test("every activation that was counted is freed", async () => {
    for (const half of ["whole", "inputs"] as const)
      for (const { held, left } of await train(size, { half })) {
        expect(held).toBeGreaterThan(0);
        expect(left).toBe(0);
      }
  });
});

test("seal frees what no pullback reads, and keeps what one does", async () => {
  const x = input() as unknown as Held;
  const { tape, free } = member(memory(1)[0]!, {}, x);
  const once = await tape.local(negative, "", x);
  const twice = await tape.local(negative, "", once);
  const last = await tape.local(squares, "", twice);
  tape.seal(last);
  expect([once, twice, last].map((t) => t.isDisposed)).toEqual([true, false, false]);
  tape.drop();
  expect([twice, last].map((t) => t.isDisposed)).toEqual([true, true]);
  tf.dispose(x);
  free();
});

test("what nobody wants the gradient of keeps nothing", async () => {
  const x = input() as unknown as Held;
  const { tape, meter, free } = member(memory(1)[0]!);
  const squared = await tape.local(squares, "", await tape.local(negative, "", x));
  tape.seal(squared);
  expect(meter.now.activations).toBe(4);
  expect(await tape.backward(squared, tf.scalar(1), x)).toBe(undefined);
  expect(meter.now.activations).toBe(0);
  tf.dispose(x);
  free();
});

test("dropping keeps the output alone", async () => {
  const { tape, meter, free } = member(memory(1)[0]!);
  const x = input() as unknown as Held<{ tp: "R" }>;
  const y = await tape.local(product, "a", x);
  tape.drop(y);
  expect([y.isDisposed, meter.now.activations]).toEqual([false, 0]);
  tf.dispose([x, y]);
  free();
});

test("in halves too, a segment that no loss depends on leaves its parameters without a gradient", async () => {
  const x = input() as unknown as Held;
  const { tape, gradients, meter, free } = member(memory(1)[0]!, {}, x);
  await tape.local(product, "a", await tape.enter("tp", x));
  const y = await tape.local(squares, "", x);
  tape.seal(y);
  const dx = (await tape.backward(y, tf.scalar(1), x, { half: "inputs" }))!;
  await tape.backwardWeights();
  await gradients.finish(["a.w"], momentOf(0));
  expect([...dx.dataSync()]).toEqual([2, 4, 6, -2, 0, 4]);
  expect([...gradients.get("a.w")!.dataSync()]).toEqual(Array(9).fill(0));
  expect(meter.now.activations).toBe(0);
  tf.dispose([x, dx]);
  free();
});
