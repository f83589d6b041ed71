// What a step costs in JavaScript alone: the model of gpt.ts on a GPU that runs nothing. Needs no card.
// `node benchmarks/cuda/javascript.ts [PRECISION LAYERS]`. Prints calls of the GPU and the median
// ms of processor time of a step as JSON; with OPERATIONS=1 counts tfjs's operations too.
import { adamw, type Data, type Device, memory, run } from "@orthant/core";
import { gpt } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { CudaBackend, type Precision } from "../../packages/backend-cuda/src/backend/backend.ts";
import { registerKernels } from "../../packages/backend-cuda/src/device.ts";
import type { Gpu } from "../../packages/backend-cuda/src/driver/gpu.ts";
import { allocator } from "../../packages/backend-cuda/src/memory/allocator.ts";
import { recorder } from "../../packages/backend-cuda/test/nvrtc/recorder.ts";

const [precision = "bf16", layers = "12"] = process.argv.slice(2);
const [T, width, heads, batch, steps] = [1024, 768, 12, 4, Number(process.env.STEPS ?? 60)];
const counts = new Map<string, number>();
const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

/** Counts what a GPU would be asked. */
function counted(gpu: Gpu): Gpu {
  const library = (name: string) => () => count(name);
  return {
    ...gpu,
    compile(program) {
      const launch = gpu.compile(program);
      return (...args) => {
        count(program.name);
        launch(...args);
      };
    },
    multiply: library("multiply"),
    copy: library("copy"),
    fill: library("fill"),
    upload: library("upload"),
    downloadLater: async () => count("download"),
    ...(precision === "bf16"
      ? { attention: { forward: library("attention"), backward: library("attentionGrad") } }
      : {}),
  };
}

/** Counts tfjs's operations, those that launch nothing among them. */
function countOperations(): void {
  const engine = tf.engine();
  const run = engine.runKernel.bind(engine);
  engine.runKernel = (name, inputs, attrs) => {
    count(`op ${name}`);
    return run(name, inputs, attrs);
  };
}

const field = { shape: [T], dtype: "int32" } as const;
const data: Data = {
  input: field,
  target: field,
  tokens: T,
  sample: () => ({ input: new Int32Array(T), target: new Int32Array(T) }),
};
const gpu = counted(recorder());
const backend = new CudaBackend(gpu, allocator(gpu), precision as Precision);
const device: Device = {
  name: "cuda",
  async start() {
    if (tf.findBackendFactory("cuda")) tf.removeBackend("cuda");
    tf.registerBackend("cuda", () => backend);
    registerKernels();
    return { backend: "cuda", bytesHeld: () => backend.memoryPool.counters().used, copiesVectors: true, views: true };
  },
};
if (process.env.OPERATIONS === "1") countOperations();
const session = await run({
  model: gpt({ layers: Number(layers), width, heads, context: T, vocab: 1024 }),
  data,
  batch,
  optimizer: adamw({ lr: 1e-4 }),
  clip: 1,
  steps,
  device,
  transport: memory(),
  run: false,
  quiet: true,
});
const times: number[] = [];
const clock = (): number => process.cpuUsage().user / 1000; // of the processor: others at work on the machine do not count
let last = clock();
for await (const _ of session) {
  const now = clock();
  times.push(now - last);
  last = now;
  if (times.length < steps) counts.clear();
}
const sorted = times.slice(steps >> 1).toSorted((a, b) => a - b);
const calls = [...counts].toSorted(([, a], [, b]) => b - a);
console.log(
  JSON.stringify({
    precision,
    layers: Number(layers),
    calls: calls.reduce((sum, [, n]) => sum + n, 0),
    ms: Number(sorted[sorted.length >> 1]!.toFixed(2)),
    fastest: Number(sorted[0]!.toFixed(2)),
  }),
);
for (const [name, n] of calls) console.log(String(n).padStart(6), name);
process.exit(0);
