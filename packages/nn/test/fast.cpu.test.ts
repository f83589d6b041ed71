// Fast gradients under a user's own tfjs code: the same gradients as the plain cpu backend, on wasm; nothing changed
// on other backends, nor after they are taken back; no tensor and no wasm memory left behind.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { useFastGradients } from "@orthant/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Case } from "./cases.ts";
import { gradients, largest, type Run, worstError } from "./compare.ts";

const kernelNames = [
  tf.Identity,
  tf.BatchMatMul,
  tf._FusedMatMul,
  tf.Sum,
  tf.Transpose,
  tf.UnsortedSegmentSum,
  "orthant.layerNorm",
  "orthant.adamw",
];
const kernels = (backend: string) => kernelNames.map((name) => tf.getKernel(name, backend));
const stock = { wasm: kernels("wasm"), cpu: kernels("cpu") };
const restore = useFastGradients();

let before = 0;
beforeEach(async () => {
  await tf.ready();
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const at = (name: string, params: number[][], indices?: Record<number, number>, inputs: number[][] = []): Case => ({
  name,
  params,
  inputs,
  ...(indices ? { indices } : {}),
});
const product =
  (transposeA: boolean, transposeB: boolean): Run =>
  ([a, b]) =>
    tf.matMul(a!, b!, transposeA, transposeB);

const users: [Case, Run][] = [
  [
    at("matMul", [
      [5, 7],
      [7, 3],
    ]),
    product(false, false),
  ],
  [
    at("matMul, b transposed", [
      [5, 7],
      [3, 7],
    ]),
    product(false, true),
  ],
  [
    at("matMul, a transposed", [
      [7, 5],
      [7, 3],
    ]),
    product(true, false),
  ],
  [
    at("matMul, both transposed", [
      [7, 5],
      [3, 7],
    ]),
    product(true, true),
  ],
  [
    at("matMul, one row", [
      [1, 7],
      [3, 7],
    ]),
    product(false, true),
  ],
  [
    at("matMul, one column", [
      [7, 5],
      [7, 1],
    ]),
    product(true, false),
  ],
  [
    at("batched", [
      [2, 3, 5, 7],
      [2, 3, 7, 4],
    ]),
    product(false, false),
  ],
  [
    at("batched, b transposed", [
      [6, 33, 17],
      [6, 35, 17],
    ]),
    product(false, true),
  ],
  [
    at("batched, a transposed", [
      [6, 17, 33],
      [6, 17, 35],
    ]),
    product(true, false),
  ],
  [
    at("fused", [[5, 7], [7, 3], [3]]),
    ([a, b, bias]) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: bias! }),
  ],
  [
    at("fused, one row, a bias made under another shape", [
      [1, 7],
      [7, 6],
      [2, 3],
    ]),
    ([a, b, bias]) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: bias!.reshape([6]) }),
  ],
  [
    at("batched, one row each", [
      [5, 1, 7],
      [5, 7, 3],
    ]),
    product(false, false),
  ],
  [at("bias", [[4, 6, 5], [5]]), ([x, bias]) => x!.add(bias!)],
  [at("sum, first dims, kept", [[4, 6, 5]]), ([x]) => x!.sum([0, 1], true).square()],
  [at("sum, last dim", [[4, 6]]), ([x]) => x!.square().sum(1)],
  [at("sum, every dim", [[4, 6]]), ([x]) => x!.square().sum()],
  [at("transpose", [[9, 13]]), ([x]) => x!.transpose().square()],
  [at("gather", [[9, 4]], { 0: 9 }, [[3, 5]]), ([table], index) => tf.gather(table!, index as tf.Tensor2D)],
];

describe("wasm with fast gradients against the cpu backend", () => {
  test.each(users.map(([at, run]) => [at.name, at, run] as const))("%s", async (_, at, run) => {
    const expected = await gradients("cpu", run, at);
    const found = await gradients("wasm", run, at);
    const errors = found.map((values, i) => worstError(values, expected[i]!, largest(expected)));
    expect(Math.max(...errors), errors.map((error) => error.toExponential(1)).join(" ")).toBeLessThan(1e-5);
  });
});

test("other backends keep their kernels", () => expect(kernels("cpu")).toEqual(stock.cpu));

test.each([
  [[2, 3, 4], [2, 5, 6], false],
  [[3, 4], [3, 5], false],
  [[3, 4], [3, 5], true],
])("factors that do not fit are refused: %j %j", async (left, right, transposeB) => {
  await tf.setBackend("wasm");
  const [a, b] = [tf.ones(left), tf.ones(right)];
  expect(() => tf.matMul(a, b, false, transposeB)).toThrow("inner shapes");
  tf.dispose([a, b]);
});

test("a clone shares memory, and each owner frees it once", async () => {
  await tf.setBackend("wasm");
  const x = tf.tensor1d([1, 2, 3]);
  const y = x.clone();
  expect(y.dataId).toBe(x.dataId);
  x.dispose();
  expect([...(await y.data())]).toEqual([1, 2, 3]);
  y.dispose();
});

test("a thousand batched products leave the wasm heap as it was", async () => {
  await tf.setBackend("wasm");
  const [a, b] = [tf.ones([4, 8, 8]), tf.ones([4, 8, 8])];
  const heap = (): number => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  const [bytes, ids] = [heap(), tf.backend().numDataIds()];
  for (let i = 0; i < 1000; i++) tf.matMul(a, b, false, true).dispose();
  expect([heap(), tf.backend().numDataIds()]).toEqual([bytes, ids]);
  tf.dispose([a, b]);
});

test("taken back, the stock kernels are in place again", () => {
  restore();
  expect(kernels("wasm")).toEqual(stock.wasm);
  useFastGradients()();
  expect(kernels("wasm")).toEqual(stock.wasm);
});
