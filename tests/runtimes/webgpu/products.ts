// Matrix products on webgpu against the cpu device: every program, each side transposed or not, sizes that fit no tile.
import { useDevice } from "@orthant/core";
import type { Case } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";

const flips = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

interface Product {
  readonly M: number;
  readonly K: number;
  readonly N: number;
  readonly flip: readonly [boolean, boolean];
  readonly bias: boolean;
  /** Matrices of the batch. */
  readonly P: number;
}

/** `[P, M, K] [P, K, N]`, or with a bias a plain matrix each. */
function product({ P, M, K, N, flip, bias }: Product): tf.Tensor {
  const outer = bias ? [] : [P];
  const draw = (shape: number[], seed: number) => tf.randomUniform([...outer, ...shape], -1, 1, "float32", seed);
  const a = draw(flip[0] ? [K, M] : [M, K], 1);
  const b = draw(flip[1] ? [N, K] : [K, N], 2);
  if (!bias) return tf.matMul(a, b, ...flip);
  const row = tf.range(0, N).div(N);
  return tf.fused.matMul({
    a: a as tf.Tensor2D,
    b: b as tf.Tensor2D,
    transposeA: flip[0],
    transposeB: flip[1],
    bias: row,
  });
}

async function computed(device: "cpu" | "webgpu", given: Product, software = true): Promise<Float32Array> {
  await useDevice(device);
  const backend = tf.backend() as unknown as { software: boolean };
  const before = backend.software;
  if (device === "webgpu") backend.software = software;
  const y = tf.tidy(() => product(given));
  if (device === "webgpu") backend.software = before;
  const values = (await y.data()) as Float32Array;
  y.dispose();
  return values;
}

function compare(found: Float32Array, expected: Float32Array): void {
  if (found.length !== expected.length) throw new Error(`${found.length} elements, but ${expected.length} expected`);
  for (const [i, value] of found.entries())
    if (!(Math.abs(value - expected[i]!) <= 1e-5 + 1e-4 * Math.abs(expected[i]!)))
      throw new Error(`element ${i}: ${value}, but ${expected[i]} expected`);
}

const sizes = [
  [1, 1, 1],
  [70, 37, 65],
  [33, 16, 130],
] as const;

/** Programs for a software adapter and for a GPU; of the latter, that of large tiles where there are many. */
export const productCases = (): Case[] => {
  const given = sizes.flatMap(([M, K, N]): Product[] => [
    ...flips.map((flip) => ({ P: 2, M, K, N, flip, bias: false })),
    { P: 1, M, K, N, flip: flips[0], bias: true },
  ]);
  const many = flips.slice(1, 3).map((flip): Product => ({ P: 100, M: 20, K: 19, N: 3, flip, bias: false }));
  return [...given, ...many].map((at) => ({
    name: `matMul ${JSON.stringify(at)}`,
    run: async () => {
      const expected = await computed("cpu", at);
      for (const software of [true, false]) compare(await computed("webgpu", at, software), expected);
    },
  }));
};
