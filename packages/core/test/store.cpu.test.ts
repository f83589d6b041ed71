// The local parameter store: who owns a tensor when, and the bytes that it reports.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { localStore, Meter, type ParamSpec } from "../src/index.ts";

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const spec = (name: string, split = {}): ParamSpec => ({
  name,
  shape: [2, 3],
  layer: 0,
  init: { kind: "constant", value: 0 },
  split,
});
const dealt = (name: string) => ({ spec: spec(name), shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) });
const sixes = () => tf.fill([2, 3], 6);

test("lends values, sums gradients, and drops a gradient with its update", async () => {
  const meter = new Meter();
  const store = localStore([dealt("a"), dealt("b")], meter);
  const [a] = await store.acquire(["a"], "now");
  expect([...a!.dataSync()]).toEqual([1, 2, 3, 4, 5, 6]);
  store.release(["a"]);
  store.addGrads(["a", "b"], [sixes(), sixes()]);
  store.addGrads(["a"], [sixes()]);
  expect(store.owned().map(({ grad }) => grad!.dataSync()[0])).toEqual([12, 6]);
  expect(meter.now).toEqual({ params: 48, grads: 48, optimizer: 0, activations: 0 });
  store.update("a", tf.zeros([2, 3]));
  expect(store.owned().map(({ grad }) => grad !== undefined)).toEqual([false, true]);
  expect(meter.now.grads).toBe(24);
  store.dispose();
  expect(meter.now).toEqual({ params: 0, grads: 0, optimizer: 0, activations: 0 });
  expect(meter.peak).toEqual({ params: 48, grads: 48, optimizer: 0, activations: 0 });
});

test("hands gradients over once", () => {
  const store = localStore([dealt("a")]);
  store.addGrads(["a"], [sixes()]);
  tf.dispose(store.takeGrads(["a"]));
  expect(() => store.takeGrads(["a"])).toThrow("a has no gradient: no segment used it in this step");
  store.dispose();
});

test("keeps a flat chunk as a vector", () => {
  const store = localStore([{ spec: spec("a", { dp: "flat" }), shape: [2, 3], values: Float32Array.of(4, 5, 6) }]);
  expect(store.owned().map(({ value, shape, counts }) => ({ value: value.shape, shape, counts }))).toEqual([
    { value: [3], shape: [2, 3], counts: [0, 3] },
  ]);
  store.dispose();
});

test("names what it holds when asked for something else", async () => {
  const store = localStore([dealt("a"), dealt("b")]);
  await expect(store.acquire(["c"], "now")).rejects.toThrow("this rank holds no parameter c; it holds a, b");
  store.dispose();
});
