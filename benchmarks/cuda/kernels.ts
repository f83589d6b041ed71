// What kernels reach of the card: bytes/s of those that move memory against a copy's, FLOP/s of products and attention against a large
// product's, all measured here. `node benchmarks/cuda/kernels.ts [PRECISION]`. Prints a table.
import { kernels } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { CudaBackend, type Precision } from "../../packages/backend-cuda/src/backend/backend.ts";
import { registerKernels } from "../../packages/backend-cuda/src/device.ts";
import { openGpu } from "../../packages/backend-cuda/src/driver/cuda.ts";
import { allocator } from "../../packages/backend-cuda/src/memory/allocator.ts";

const precision = (process.argv[2] ?? "bf16") as Precision;
const gpu = openGpu({ compute: precision });
const use = async (ours: boolean): Promise<CudaBackend> => {
  const card = { ...gpu, ...(ours && { attention: undefined }), close: () => undefined }; // tfjs closes a backend that it removes
  const backend = new CudaBackend(card, allocator(gpu), precision);
  if (tf.findBackendFactory("cuda")) tf.removeBackend("cuda");
  tf.registerBackend("cuda", () => backend);
  registerKernels();
  await tf.setBackend("cuda");
  return backend;
};

/** Median ms of one of ten calls in a row. */
async function msOf(run: () => void, times = 10): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < 6; i++) {
    const ms = await gpu.time(() => {
      for (let k = 0; k < times; k++) run();
    });
    found.push(ms / times);
  }
  return found.slice(1).toSorted((a, b) => a - b)[2]!;
}

const GIB = 2 ** 30;
const copyCeiling = async (): Promise<number> => {
  const [from, to] = [gpu.allocate(GIB), gpu.allocate(GIB)];
  const ms = await msOf(() => gpu.copy(to, from, GIB));
  gpu.free(from);
  gpu.free(to);
  return (2 * GIB) / ms / 1e9; // TB/s
};

const row = (name: string, ms: number, rate: number, unit: string, share: number): void =>
  console.log(
    `| ${name} | ${ms.toFixed(3)} | ${rate.toFixed(unit === "TB/s" ? 2 : 0)} ${unit} | ${(100 * share).toFixed(0)} % |`,
  );

await use(false);
const low = precision === "bf16" ? 2 : 4;
const copied = await copyCeiling();
console.log(`${gpu.name}, ${precision}\n\n| kernel | ms | rate | of the ceiling |\n|---|---|---|---|`);
row("copy of 1 GiB: the ceiling of bytes", (2 * GIB) / copied / 1e9, copied, "TB/s", 1);

/** Numbers in -1 .. 1, every row the same. */
const random = (...shape: number[]): tf.Tensor => tf.randomUniform([shape.at(-1)!], -1, 1).add(tf.zeros(shape));

async function moves(name: string, bytes: number, make: () => () => tf.TensorContainer): Promise<void> {
  const run = make();
  const ms = await msOf(() => tf.tidy(() => void run()));
  row(name, ms, bytes / ms / 1e9, "TB/s", bytes / ms / 1e9 / copied);
}

async function computes(name: string, flops: number, ceiling: number | undefined, run: () => tf.TensorContainer) {
  const ms = await msOf(() => tf.tidy(() => void run()));
  const rate = flops / ms / 1e9;
  row(name, ms, rate, "TFLOP/s", rate / (ceiling ?? rate));
  return rate;
}

const [N, D, F, V] = [16_384, 768, 3072, 50_304];
const wide = N * F;
await moves("add, float32", 12 * wide, () => {
  const [a, b] = [random(N, F), random(N, F)];
  return () => a.add(b);
});
await moves("relu, float32", 8 * wide, () => {
  const a = random(N, F);
  return () => a.relu();
});
await moves("sum of all, float32", 4 * wide, () => {
  const a = random(N, F);
  return () => a.sum();
});
await moves("columnSums, float32", 4 * wide, () => {
  const x = random(N, F);
  return () => kernels.columnSums({ x });
});
await moves("softmax of rows of 3,072, float32", 8 * wide, () => {
  const a = random(N, F);
  return () => tf.softmax(a);
});
await moves("transpose [16, 1024, 48, 64], float32", 8 * wide, () => {
  const a = random(16, 1024, 48, 64);
  return () => tf.transpose(a, [0, 2, 1, 3]);
});
await moves("concat of two halves, float32", 8 * wide, () => {
  const [a, b] = [random(N / 2, F), random(N / 2, F)];
  return () => tf.concat([a, b], 0);
});
const stream = random(2 * N, D);
const [gain, bias] = [tf.ones([D]), tf.zeros([D])];
await moves("layerNorm", 2 * N * D * (4 + low), () => {
  return () => kernels.layerNorm({ x: stream, gain, bias }, { center: true, epsilon: 1e-5 });
});
await moves("layerNormGrad", 2 * N * D * (8 + low), () => {
  const norm = { center: true, epsilon: 1e-5 };
  const [y, stat] = kernels.layerNorm({ x: stream, gain, bias }, norm);
  return () => kernels.layerNormGrad({ dy: y, x: stream, stat, gain }, norm);
});
await moves("gatherRows", 2 * 4 * 2 * N * D, () => {
  const [table, index] = [
    random(V, D),
    tf
      .range(0, 2 * N, 1, "int32")
      .mul(tf.scalar(7919, "int32"))
      .mod(tf.scalar(V, "int32")),
  ];
  return () => kernels.pickRows({ table, index });
});
await moves("adamwAll, 4 parameters of 16 Mi", 4 * 28 * 2 ** 24, () => {
  const xs = Array.from({ length: 4 }, () => [0, 1, 2, 3].map(() => tf.ones([2 ** 24]))).flat();
  const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 1e-3, unbias2: 1, scale: 1, keep: [1, 1, 1, 1] };
  return () => kernels.adamwAll(xs, step);
});
await moves("sumsOfSquares, 4 of 16 Mi", 4 * 4 * 2 ** 24, () => {
  const xs = Array.from({ length: 4 }, () => tf.ones([2 ** 24]));
  return () => kernels.sumsOfSquares(xs, { from: [0, 0, 0, 0], to: xs.map((x) => x.size) });
});
await moves("crossEntropy", low * 4096 * V, () => {
  const logits = tf.matMul(random(4096, 8), random(8, V));
  const target = tf.zeros([4096], "int32");
  return () => kernels.crossEntropy({ logits, target });
});
await moves("crossEntropyGrad", 2 * low * 4096 * V, () => {
  const logits = tf.matMul(random(4096, 8), random(8, V));
  const target = tf.zeros([4096], "int32");
  const [, lse] = kernels.crossEntropy({ logits, target });
  return () => kernels.crossEntropyGrad({ logits, target, lse, dy: tf.scalar(1) });
});

const square = (n: number): [tf.Tensor2D, tf.Tensor2D] => [random(n, n) as tf.Tensor2D, random(n, n) as tf.Tensor2D];
const [a, b] = square(8192);
const ceiling = await computes("matMul 8192: the ceiling of FLOPs", 2 * 8192 ** 3, undefined, () => tf.matMul(a, b));
const [c, d] = square(4096);
await computes("matMul 4096", 2 * 4096 ** 3, ceiling, () => tf.matMul(c, d));
const [x, w, up] = [random(N, D), random(D, F), tf.zeros([F])];
await computes("geluProduct 16384 x 3072 x 768", 2 * N * D * F, ceiling, () => kernels.geluProduct({ x, w, bias: up }));

type Rates = readonly [forward: number, backward: number];

/** TFLOP/s of attention and of its gradients, as shares of `most`, else of the ceiling. */
async function attention(who: string, [B, T, H, K]: readonly number[], most?: Rates): Promise<Rates> {
  const qkv = tf.matMul(random(B! * T!, 8), random(8, 3 * H! * K!)).reshape([B!, T!, 3, H!, K!]); // stored as a product's result is
  const scale = { scale: 1 / Math.sqrt(K!) };
  const [dy, kept] = kernels.packedAttention({ qkv }, scale);
  const flops = 2 * B! * H! * T! * T! * K!;
  const there = await computes(`attention ${B} x ${T}, ${H} heads of ${K}, ${who}`, flops, most?.[0] ?? ceiling, () =>
    kernels.packedAttention({ qkv }, scale),
  );
  const back = await computes(`its gradients, ${who}`, 2.5 * flops, most?.[1] ?? ceiling, () =>
    kernels.packedAttentionGrad({ dy, qkv, kept }, scale),
  );
  return [there, back];
}
const shapes = [
  [16, 1024, 12, 64],
  [4, 4096, 16, 128],
] as const;
const rates: Rates[] = [];
for (const shape of shapes) rates.push(await attention("the library", shape));
await use(true);
for (const [i, shape] of shapes.entries()) await attention("our own, against the library's", shape, rates[i]);
process.exit(0);
