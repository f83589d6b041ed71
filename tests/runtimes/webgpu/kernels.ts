// Every kernel that the webgpu device has by name, on random shapes, against its reference on the cpu device.
import { kernels, useDevice } from "@orthant/core";
import type { Case } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";

type Shapes = Readonly<Record<string, readonly number[]>>;

interface Sample {
  readonly kernel: kernels.Kernel<never, tf.Tensor | tf.Tensor[], never>;
  readonly shapes: Shapes;
  readonly attrs?: object;
  /** Indices below this. */
  readonly below?: number;
}

const of = <I extends object, O extends tf.Tensor | tf.Tensor[], A>(
  kernel: kernels.Kernel<I, O, A>,
  shapes: Shapes,
  attrs: object = {},
  below = 0,
): Sample => ({ kernel: kernel as unknown as Sample["kernel"], shapes, attrs, below });

const between = (from: number, to: number): number => from + Math.floor(Math.random() * (to - from + 1));

const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, unbias2: 2, keep: 0.9, scale: 0.5 };

/** Samples of one draw of sizes. */
function samples(N: number, D: number, P: number, T: number, K: number): Sample[] {
  const [ND, PTT, PTK] = [
    [N, D],
    [P, T, T],
    [P, T, K],
  ];
  const [scale, norm] = [{ scale: 1 / Math.sqrt(K) }, { center: true, epsilon: 1e-5 }];
  const [plain, from] = [{ ...norm, center: false }, Math.floor(D / 3)];
  return [
    of(kernels.addRow, { x: [P, N, D], row: [D] }),
    of(kernels.adamw, { value: ND, grad: ND, m: ND, v: ND }, step),
    of(kernels.attention, { q: PTK, k: PTK, v: PTK }, scale),
    of(kernels.causalSoftmax, { score: PTT }, scale),
    of(kernels.columnSums, { x: ND }),
    of(kernels.crossEntropy, { logits: ND, target: [N] }, {}, D),
    of(kernels.crossEntropyGrad, { logits: ND, target: [N], lse: [N], dy: [] }, {}, D),
    of(kernels.gelu, { x: ND }),
    of(kernels.geluGrad, { x: ND, dy: ND }),
    of(kernels.layerNorm, { x: ND, gain: [D], bias: [D] }, norm),
    of(kernels.layerNorm, { x: ND, gain: [D] }, plain),
    of(kernels.layerNormGrad, { dy: ND, x: ND, stat: [N, 2], gain: [D] }, norm),
    of(kernels.layerNormGrad, { dy: ND, x: ND, stat: [N, 2], gain: [D] }, plain),
    of(kernels.pickRows, { table: ND, index: [K] }, {}, N),
    of(kernels.sumIntoRows, { x: [K, D], index: [K] }, { rows: N }, N),
    of(kernels.sumOfSquares, { x: ND }, { from, to: N * D }),
  ];
}

type Values = Readonly<Record<string, Float32Array>>;

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Values in -1 .. 1, or indices; a row's log-sum-exp is that of its logits, and a probability's row sums to 1. */
function draw({ shapes, below }: Sample): Values {
  const values = Object.entries(shapes).map(([name, shape]) => {
    const index = name === "index" || name === "target";
    const each = () => (index ? between(0, below! - 1) : 2 * Math.random() - 1);
    return [name, Float32Array.from({ length: sizeOf(shape) }, each)] as const;
  });
  return Object.fromEntries(values);
}

function tensors({ shapes }: Sample, values: Values): tf.NamedTensorMap {
  const each = Object.entries(shapes).map(([name, shape]) => {
    const x = tf.tensor(values[name]!, [...shape], name === "index" || name === "target" ? "int32" : "float32");
    return [name, name === "v" && "m" in shapes ? x.square() : x] as const;
  });
  const map = Object.fromEntries(each);
  return map.lse ? { ...map, lse: tf.logSumExp(map.logits!, -1) } : map;
}

type Outputs = { readonly shape: readonly number[]; readonly values: Float32Array }[];

/** Outputs on a device. Only the sum of a sum of squares means anything, and of attention only its first output. */
async function outputs(device: "cpu" | "webgpu", sample: Sample, values: Values): Promise<Outputs> {
  await useDevice(device);
  const { kernel, attrs } = sample;
  const before = tf.memory().numTensors;
  const run = device === "cpu" ? kernel.reference : kernel;
  const ys = tf.tidy(() => {
    const found = [run(tensors(sample, values) as never, attrs as never)].flat();
    if (kernel.kernelName === kernels.sumOfSquares.kernelName) return [found[0]!.sum()];
    return kernel.kernelName === kernels.attention.kernelName ? [found[0]!] : found;
  });
  const read = await Promise.all(ys.map(async (y) => ({ shape: y.shape, values: (await y.data()) as Float32Array })));
  tf.dispose(ys);
  if (tf.memory().numTensors !== before) throw new Error(`${tf.memory().numTensors - before} tensors left`);
  return read;
}

function compare(found: Outputs, expected: Outputs): void {
  if (`${found.map((y) => y.shape)}` !== `${expected.map((y) => y.shape)}`)
    throw new Error(`shapes ${found.map((y) => `[${y.shape}]`)}, but ${expected.map((y) => `[${y.shape}]`)} expected`);
  for (const [i, { values }] of found.entries())
    for (const [j, value] of values.entries()) {
      const right = expected[i]!.values[j]!;
      if (!(Math.abs(value - right) <= 1e-5 + 1e-4 * Math.abs(right)))
        throw new Error(`output ${i}, element ${j}: ${value}, but ${right} expected`);
    }
}

const drawn = (): Sample[] => samples(between(2, 150), between(2, 300), between(1, 4), between(1, 90), between(1, 40));

/** Cases of one draw of sizes. */
export const kernelCases = (): Case[] =>
  [...samples(2, 2, 1, 1, 1), ...drawn(), ...samples(70, 64, 2, 65, 8)].map((sample) => ({
    name: `${sample.kernel.kernelName} ${JSON.stringify(sample.shapes)}`,
    run: async () => {
      const values = draw(sample);
      compare(await outputs("webgpu", sample, values), await outputs("cpu", sample, values));
    },
  }));
