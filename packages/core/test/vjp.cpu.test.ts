// Vector-Jacobian products of segments against tfjs's own, and what they keep in memory between forward and backward.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forwardOnly, rebind, recompute, useDevice, type Vjp } from "../src/index.ts";
import { functions, inputs, readAll, type Sample } from "./functions.ts";

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const seedOf = (y: tf.Tensor) => tf.tidy(() => tf.range(1, y.size + 1).reshape(y.shape));

/** Gradients by tfjs, under an output gradient that differs by element. */
function expected({ f }: Sample, xs: tf.Tensor[]): number[][] {
  const grads = tf.tidy(() => tf.grads((...all: tf.Tensor[]) => f(...all))(xs, seedOf(f(...xs))));
  const values = readAll(grads);
  tf.dispose(grads);
  return values;
}

/** Gradients by `vjp`; parameters are freed in between, as a sharded store does, and handed over again as copies. */
function found(vjp: Vjp, { f }: Sample, xs: tf.Tensor[]): number[][] {
  const copies = xs.map((x) => tf.tensor(x.dataSync(), x.shape));
  const { y, pullback } = vjp(f, xs);
  const dy = seedOf(y);
  tf.dispose(xs);
  const grads = pullback(dy, copies);
  const values = readAll(grads);
  tf.dispose([y, dy, ...copies, ...grads.filter((g) => g !== undefined)]);
  return values;
}

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  beforeEach(() => useDevice(device));

  test.each(functions)("rebind and recompute give tf.grads' gradients: $name", (sample) => {
    const unused = inputs(sample);
    const want = sample.name === "an unused input" ? undefined : expected(sample, unused);
    const bound = found(rebind, sample, inputs(sample));
    if (want) for (const [i, v] of bound.flat().entries()) expect(v).toBeCloseTo(want.flat()[i]!, 5);
    else expect(bound[1]).toEqual([0, 0, 0, 0]);
    expect(found(recompute, sample, inputs(sample))).toEqual(bound);
    tf.dispose(unused);
  });

  test("after a forward, rebind holds no weights", () => {
    const [w, x] = [tf.ones([512, 512]), tf.ones([2, 512])];
    const weights = 4 * 512 * 512;
    const lone = tf.memory().numBytes;
    const { y, kept, needs, drop } = rebind((w, x) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), [w, x]);
    const held = tf.memory().numBytes - lone;
    expect(needs).toEqual([true, true]);
    expect(kept).toBe(0);
    w.dispose();
    expect(tf.memory().numBytes).toBeLessThanOrEqual(lone - weights + 0.05 * weights);
    expect(held).toBeLessThanOrEqual(0.05 * weights);
    drop();
    tf.dispose([x, y]);
  });

  test("rebind says what it keeps, and that it will not read an input that nothing saved", () => {
    const x = tf.ones([3, 4]);
    const { y, kept, needs, drop } = rebind((x) => tf.exp(tf.neg(x!)).sum(), [x]);
    expect({ kept, needs }).toEqual({ kept: 3 * 4 * 4, needs: [false] });
    drop();
    tf.dispose([x, y]);
  });
});

test("indices have no gradient", async () => {
  await useDevice("cpu");
  const table = tf.ones([5, 2]);
  const index = tf.tensor1d([1, 1, 3], "int32");
  const { y, pullback } = rebind((t, i) => tf.gather(t!, i as tf.Tensor1D), [table, index]);
  const dy = tf.onesLike(y);
  const [dtable, dindex] = pullback(dy, [table, index]);
  expect(dindex).toBeUndefined();
  expect([...dtable!.dataSync()]).toEqual([0, 0, 2, 2, 0, 0, 1, 1, 0, 0]);
  tf.dispose([table, index, y, dy, dtable!]);
});

test("a forward-only tape refuses to go back", () => {
  const x = tf.ones([2]);
  const { y, pullback } = forwardOnly((x) => x!.square(), [x]);
  expect(() => pullback(y, [x])).toThrow("this tape ran forward only: it has no gradients");
  tf.dispose([x, y]);
});
