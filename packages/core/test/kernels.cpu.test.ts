// Kernels by name: those of the wasm device against their references, and a backend's own, which runs once it is registered.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kernels, useDevice } from "../src/index.ts";
import { inputs as drawn } from "./functions.ts";

let before = 0;
beforeEach(async () => {
  await useDevice("wasm");
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

interface Case {
  readonly kernel: kernels.Kernel<never, tf.Tensor | tf.Tensor[], never>;
  /** Float inputs by name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly index?: readonly number[];
  readonly attrs?: object;
}

const of = <I extends object, O extends tf.Tensor | tf.Tensor[], A>(
  kernel: kernels.Kernel<I, O, A>,
  shapes: Case["shapes"],
  rest: Omit<Case, "kernel" | "shapes"> = {},
): Case => ({ kernel: kernel as unknown as Case["kernel"], shapes, ...rest });

const [ND, D, PTT, PTK] = [[5, 7], [7], [3, 6, 6], [3, 6, 4]];
const norm = { center: true, epsilon: 1e-5 };
const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, unbias2: 2, keep: 0.9, scale: 0.5 };
const cases: readonly Case[] = [
  of(kernels.addRow, { x: [2, 3, 7], row: D }),
  of(kernels.adamw, { value: ND, grad: ND, m: ND, v: ND }, { attrs: step }),
  of(kernels.attention, { q: PTK, k: PTK, v: PTK }, { attrs: { scale: 0.5 } }),
  of(kernels.attentionGrad, { dy: PTK, q: PTK, k: PTK, v: PTK, kept: PTT }, { attrs: { scale: 0.5 } }),
  of(kernels.causalSoftmax, { score: PTT }, { attrs: { scale: 0.3 } }),
  of(kernels.columnSums, { x: ND }),
  of(kernels.gelu, { x: ND }),
  of(kernels.geluGrad, { x: ND, dy: ND }),
  of(kernels.layerNorm, { x: ND, gain: D, bias: D }, { attrs: norm }),
  of(kernels.layerNorm, { x: ND, gain: D }, { attrs: { ...norm, center: false } }),
  of(kernels.layerNormGrad, { dy: ND, x: ND, stat: [5, 2], gain: D }, { attrs: norm }),
  of(kernels.pickRows, { table: ND }, { index: [4, 0, 0, 2] }),
  of(kernels.sumIntoRows, { x: [4, 7] }, { index: [4, 0, 0, 2], attrs: { rows: 5 } }),
];

/** Outputs as numbers. */
function outputs(run: (inputs: never, attrs: never) => tf.Tensor | tf.Tensor[], { shapes, index, attrs }: Case) {
  return tf.tidy(() => {
    const floats = drawn({ name: "", f: () => tf.scalar(0), shapes: Object.values(shapes) });
    const inputs: tf.NamedTensorMap = Object.fromEntries(Object.keys(shapes).map((name, i) => [name, floats[i]!]));
    if (inputs.v && inputs.m) inputs.v = inputs.v.square(); // a second moment is not negative
    if (index) inputs.index = tf.tensor1d([...index], "int32");
    return [run(inputs as never, attrs as never)].flat().map((y) => ({ shape: y.shape, values: [...y.dataSync()] }));
  });
}

test.each(cases.map((at) => [`${at.kernel.kernelName} ${JSON.stringify(at.shapes)}`, at] as const))(
  "%s on wasm is its reference",
  (_, at) => {
    const [found, expected] = [outputs(at.kernel, at), outputs(at.kernel.reference, at)];
    expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
    for (const [i, { values }] of found.entries())
      for (const [j, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!.values[j]!, 4);
  },
);

test("causal softmax's gradient is its reference on what lies below the diagonal", () => {
  const p = tf.tidy(() => kernels.causalSoftmax({ score: tf.ones([2, 5, 5]) }, { scale: 1 }));
  const dp = tf.tidy(() => tf.range(0, 50).sin().reshape([2, 5, 5]));
  const found = kernels.causalSoftmaxGrad({ p, dp }, { scale: 0.5 });
  const expected = tf.tidy(() => kernels.causalSoftmaxGrad.reference({ p, dp }, { scale: 0.5 }));
  for (const [i, value] of found.dataSync().entries()) expect(value).toBeCloseTo(expected.dataSync()[i]!, 5);
  tf.dispose([p, dp, found, expected]);
});

test("the sum of squares on wasm is the double that a loop gives", () => {
  const x = tf.tidy(() => tf.range(0, 1001).sin());
  const expected = [...x.dataSync()].reduce((sum, v) => sum + v * v, 0);
  const parts = kernels.sumOfSquares({ x }, { from: 0, to: 1001 });
  expect([...parts.dataSync()].reduce((sum, part) => sum + part, 0)).toBe(expected);
  tf.dispose([x, parts]);
});

test("a backend's own kernel runs once it is registered, on that backend alone", async () => {
  const twice: tf.KernelFunc = ({ inputs }) => [inputs.x as tf.Tensor].map((x) => tf.mul(x, 2));
  const run = () => tf.tidy(() => [...kernels.gelu({ x: tf.tensor1d([100]) }).dataSync()][0]);
  tf.registerKernel({
    kernelName: "orthant.gelu",
    backendName: "cpu",
    kernelFunc: (args) => (twice(args) as tf.Tensor[])[0]!,
  });
  expect(run()).toBe(100);
  await useDevice("cpu");
  expect(run()).toBe(200);
  tf.unregisterKernel("orthant.gelu", "cpu");
  expect(run()).toBe(100);
});
