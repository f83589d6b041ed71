// Steps of a GPT through `train`'s own loop on one card: `node benchmarks/cuda/gpt.ts PRECISION BATCH [LAYERS WIDTH HEADS CONTEXT]`.
// GPT-2 124M with a head of its own by default. Prints the median step, tokens/s, losses and peak memory as JSON; with PROFILE=1
// the time of each kernel too; RESIDUAL=bf16 stores the residual stream so. gpt.py is the same model in PyTorch, from the same weights.

import { adamw, type Data, type Device, memory, run } from "@orthant/core";
import { gpt } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { CudaBackend, type Precision } from "../../packages/backend-cuda/src/backend/backend.ts";
import { registerKernels } from "../../packages/backend-cuda/src/device.ts";
import { openGpu } from "../../packages/backend-cuda/src/driver/cuda.ts";
import { type Profiled, profiled } from "../../packages/backend-cuda/src/driver/profiled.ts";
import { allocator } from "../../packages/backend-cuda/src/memory/allocator.ts";
import { pooled } from "./weights.ts";

const [precision = "bf16", batch = "16", layers = "12", width = "768", heads = "12", context = "1024"] =
  process.argv.slice(2);
const T = Number(context);
const vocab = 50304;
const steps = Number(process.env.STEPS ?? 60);
const profile = process.env.PROFILE === "1";

/** The same scattered tokens at every step: those of gpt.py. */
const token = (row: number, t: number): number => ((row * 7919 + t * 104_729) % 50_257) ** 2 % 50_257;

function tokens(): Data {
  const row = (i: number) => Int32Array.from({ length: T + 1 }, (_, t) => token(i, t));
  const rows = Array.from({ length: Number(batch) }, (_, i) => row(i));
  const field = { shape: [T], dtype: "int32" } as const;
  return {
    input: field,
    target: field,
    tokens: T,
    sample: (index) => {
      const row = rows[index % rows.length]!;
      return { input: row.slice(0, T), target: row.slice(1) };
    },
  };
}

const gpu = openGpu({ compute: precision as Precision });
const timed: Profiled | undefined = profile ? profiled(gpu) : undefined;
const residual = process.env.RESIDUAL === "bf16" ? "bf16" : "fp32";
const backend = new CudaBackend(timed ?? gpu, allocator(timed ?? gpu), precision as Precision, residual);
const device: Device = {
  name: "cuda",
  async start() {
    if (!tf.findBackendFactory("cuda")) tf.registerBackend("cuda", () => backend);
    registerKernels();
    return { backend: "cuda", bytesHeld: () => backend.memoryPool.counters().used, copiesVectors: true, views: true };
  },
};
const session = await run({
  model: pooled(gpt({ layers: Number(layers), width: Number(width), heads: Number(heads), context: T, vocab })),
  data: tokens(),
  batch: Number(batch),
  optimizer: adamw({ lr: 1e-4 }),
  clip: 1,
  steps,
  device,
  transport: memory(),
  run: false,
  quiet: true,
});
const reports: { loss: number; ms: number }[] = [];
let last = performance.now();
for await (const { loss } of session) {
  const now = performance.now();
  reports.push({ loss, ms: now - last });
  last = now;
  if (reports.length === steps - 1) timed?.begin();
}
const ms = reports
  .slice(reports.length >> 1, timed ? -1 : undefined) // JavaScript is compiled as it runs: the first half warms it up
  .map((report) => report.ms)
  .toSorted((a, b) => a - b);
const median = ms[ms.length >> 1]!;
const { peak, held } = backend.memoryPool.counters();
console.log(
  JSON.stringify({
    card: gpu.name,
    precision,
    batch: Number(batch),
    ms: Number(median.toFixed(2)),
    fastest: Number(ms[0]!.toFixed(2)),
    tokensPerSecond: Math.round((Number(batch) * T * 1000) / median),
    peakGiB: Number((peak / 2 ** 30).toFixed(2)),
    heldGiB: Number((held / 2 ** 30).toFixed(2)),
    tensors: tf.memory().numTensors,
    startSeconds: Number((reports[0]!.ms / 1000).toFixed(1)),
    losses: reports.slice(0, 12).map(({ loss }) => Number(loss.toFixed(4))),
  }),
);
if (timed) {
  await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(timed.table());
}
process.exit(0);
