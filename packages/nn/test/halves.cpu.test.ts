// The backward of every segment in halves: first its inputs' gradients, then its parameters', and the other way round. The bits
// are those of one part, no product runs twice, and nothing is left behind.

import { type DeviceChoice, rebind, recompute, useDevice, type Vjp } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as segments from "../src/segments/index.ts";
import { type Case, cases, segmentOf } from "./cases.ts";
import { tensors } from "./compare.ts";

const title = ({ name, params, inputs }: Case): string => `${name} ${JSON.stringify([...params, ...inputs])}`;

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

interface Run {
  readonly all: tf.Tensor[];
  readonly isParam: boolean[];
  readonly dy: tf.Tensor;
  readonly linearized: ReturnType<Vjp>;
}

/** A segment after its forward. */
function forward(vjp: Vjp, at: Case): Run {
  const { weights, xs } = tensors(at);
  const all = [...weights, ...xs];
  const { run, name } = segmentOf(at.name);
  const count = weights.length;
  const linearized = vjp((...given) => run(given.slice(0, count), ...given.slice(count)), all, name);
  const dy = tf.tidy(() =>
    tf
      .range(1, linearized.y.size + 1)
      .sin()
      .reshape(linearized.y.shape),
  );
  return { all, isParam: all.map((_, i) => i < count), dy, linearized };
}

/** The gradients of the parts in `wants`, in the order of inputs, and nothing left. */
function gradients(vjp: Vjp, at: Case, wants: (isParam: boolean[]) => boolean[][]): number[][] {
  const { all, isParam, dy, linearized } = forward(vjp, at);
  const parts = wants(isParam).map((want) => linearized.part(dy, all, want));
  linearized.drop();
  const grads = all.map((_, i) => parts.map((part) => part[i]).find((grad) => grad));
  const values = grads.map((grad) => [...(grad?.dataSync() ?? [])]);
  tf.dispose([...all, dy, linearized.y, ...grads.filter((grad) => grad !== undefined)]);
  return values;
}

const not = (flags: readonly boolean[]) => flags.map((flag) => !flag);

describe.each(["wasm", "cpu"] satisfies DeviceChoice[])("on %s", (device) => {
  beforeEach(() => useDevice(device));

  test.each(cases.map((at) => [title(at), at] as const))("%s", (_, at) => {
    const whole = gradients(rebind, at, (isParam) => [isParam.map(() => true)]);
    for (const vjp of [rebind, recompute]) {
      expect(gradients(vjp, at, (isParam) => [not(isParam), isParam])).toEqual(whole);
      expect(gradients(vjp, at, (isParam) => [isParam, not(isParam)])).toEqual(whole);
      const alone = gradients(vjp, at, (isParam) => [not(isParam)]);
      expect(alone).toEqual(whole.map((values, i) => (i < at.params.length ? [] : values)));
    }
  });
});

/** Names of the kernels that run in `act`, under tfjs's profiler. */
async function kernelsOf(act: () => (tf.Tensor | undefined)[]): Promise<string[]> {
  const { kernels } = await tf.profile(() => tf.dispose(act().filter((x) => x !== undefined)));
  return kernels.map(({ name }) => name);
}

/** Matrix products: of the half for inputs, and of that for parameters. */
const products: Readonly<Record<string, readonly [number, number]>> = {
  attention: [6, 2], // back through out, four of the heads, the projection of all three; then theirs and that of out
  attentionWithoutBias: [6, 2],
  groupedAttention: [8, 4],
  layerNorm: [0, 0],
  linear: [1, 1],
  linearWithoutBias: [1, 1],
  mlp: [2, 2],
  residual: [0, 0],
  rmsNorm: [0, 0],
  swiglu: [3, 3],
  unembedding: [1, 1],
};

test.each(Object.entries(products))("a half of %s runs its own products only", async (name, expected) => {
  await useDevice("cpu");
  const { all, isParam, dy, linearized } = forward(rebind, cases.find((at) => at.name === name)!);
  const count = async (want: boolean[]) =>
    (await kernelsOf(() => linearized.part(dy, all, want))).filter((kernel) => kernel === tf.BatchMatMul).length;
  expect([await count(not(isParam)), await count(isParam)]).toEqual(expected);
  linearized.drop();
  tf.dispose([...all, dy, linearized.y]);
});

test("dropout keeps what is at least the rate, scaled, and its gradient likewise", async () => {
  await useDevice("wasm");
  const [x, u] = [tf.tensor1d([1, 2, 3, 4]), tf.tensor1d([0.1, 0.25, 0.7, 0])];
  const { run } = segments.dropout(0.25);
  const { y, pullback, needs } = rebind((x, u) => run([], x!, u!), [x, u]);
  const dy = tf.ones([4]);
  const [dx, du] = pullback(dy, [x, u]);
  expect(needs).toEqual([false, true]);
  const close = (found: tf.Tensor, expected: number[]) => {
    for (const [i, value] of expected.entries()) expect(found.dataSync()[i]).toBeCloseTo(value, 5);
  };
  close(y, [0, 8 / 3, 4, 0]);
  close(dx!, [0, 4 / 3, 4 / 3, 0]);
  tf.dispose([x, u, y, dy, dx!, du!]);
  expect(() => segments.dropout(1)).toThrow("dropout(1): the rate must be at least 0 and below 1");
});
