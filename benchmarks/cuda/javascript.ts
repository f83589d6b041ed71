// What a step costs in JavaScript and in calls by FFI: the model of gpt.ts on NVIDIA's libraries as a stub that computes nothing
// (test/stub). Needs gcc, no card. `node benchmarks/cuda/javascript.ts [PRECISION LAYERS]` prints the ms of processor time of a step, the
// median and the least of tens of steps, as JSON; with PARTS=1 a line for each part of the code too (by V8's profiler, which costs time itself), with COUNT=1 the
// calls of the GPU and tfjs's operations.
import { Session } from "node:inspector/promises";
import { adamw, type Data, type Device, memory, run } from "@orthant/core";
import { gpt } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { CudaBackend, type Precision } from "../../packages/backend-cuda/src/backend/backend.ts";
import { registerKernels } from "../../packages/backend-cuda/src/device.ts";
import { openGpu } from "../../packages/backend-cuda/src/driver/cuda.ts";
import type { Gpu } from "../../packages/backend-cuda/src/driver/gpu.ts";
import { allocator } from "../../packages/backend-cuda/src/memory/allocator.ts";
import { installStub } from "../../packages/backend-cuda/test/stub/install.ts";
import { byPart } from "./parts.ts";

const [precision = "bf16", layers = "12"] = process.argv.slice(2);
const [T, width, heads, batch, steps] = [1024, 768, 12, 4, Number(process.env.STEPS ?? 200)];
const [counting, parting] = [process.env.COUNT === "1", process.env.PARTS === "1"];
const counts = new Map<string, number>();
const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

/** Counts calls of the methods of an object, and of those of the objects in it. */
function counted<O extends object>(of: O, prefix = ""): O {
  const wrap = ([name, value]: [string, unknown]): [string, unknown] => {
    if (typeof value === "object" && value) return [name, counted(value, `${name}.`)];
    if (typeof value !== "function") return [name, value];
    const call = (...args: unknown[]): unknown => {
      count(prefix + name);
      return value(...args);
    };
    return [name, call];
  };
  return Object.fromEntries(Object.entries(of).map(wrap)) as O;
}

/** Counts launches by the names of kernels. */
function named(gpu: Gpu): Gpu {
  const compile: Gpu["compile"] = (program) => {
    const launch = gpu.compile(program);
    return (...args) => {
      count(program.name);
      launch(...args);
    };
  };
  return { ...counted(gpu), compile };
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
installStub();
const opened = openGpu({ compute: precision as Precision });
const gpu = counting ? named(opened) : opened;
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
if (counting) countOperations();
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
const inspector = new Session();
const begin = async (): Promise<void> => {
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.setSamplingInterval", { interval: 200 });
  await inspector.post("Profiler.start");
};
const times: number[] = [];
/** ms of this thread: neither others at work on the machine nor V8's compiler beside it count. */
const clock = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
const half = steps >> 1;
let last = clock();
for await (const _ of session) {
  const now = clock();
  times.push(now - last);
  if (times.length === half && parting) await begin();
  if (times.length < steps) counts.clear();
  last = clock();
}
/** The system counts a thread's time in ticks of some ms: only many steps together say how long one takes. */
const BLOCK = 10;
const blocks = Array.from({ length: Math.floor(half / BLOCK) }, (_, i) => {
  const some = times.slice(half + i * BLOCK, half + (i + 1) * BLOCK);
  return some.reduce((sum, each) => sum + each, 0) / some.length;
}).toSorted((a, b) => a - b);
const [ms, fastest] = [blocks[blocks.length >> 1] ?? times.at(-1)!, blocks[0] ?? times.at(-1)!];
console.log(
  JSON.stringify({ precision, layers: Number(layers), ms: Number(ms.toFixed(2)), fastest: Number(fastest.toFixed(2)) }),
);
if (parting) {
  const { profile } = await inspector.post("Profiler.stop");
  for (const [part, spent] of byPart(profile)) console.log((spent / (steps - half)).toFixed(2).padStart(7), "ms", part);
}
for (const [name, n] of [...counts].toSorted(([, a], [, b]) => b - a)) console.log(String(n).padStart(6), name);
process.exit(0);
