// Two sides of the webgpu benchmarks in one process: the trainer on our webgpu device, and plain tfjs code of the same GPT on a
// stock WebGPU backend. Counts what both do: kernels started, and milliseconds that JavaScript did not wait.
import { performance } from "node:perf_hooks";
import { adamw, memory, plan, type StepReport, useDevice } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { gpt } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type GptSizes, stockGpt } from "../cpu-stock.ts";

export interface Job extends GptSizes {
  readonly batch: number;
}

/** One step. */
export interface Step {
  readonly ms: number;
  readonly kernels: number;
  /** Milliseconds of the step that nobody waited for the GPU. */
  readonly busy: number;
  readonly loss: number;
}

/** Tokens that look like nothing in particular: sample `index` of any epoch, or its targets. */
const noise = (job: Job, index: number, shift: number): Int32Array =>
  Int32Array.from({ length: job.context }, (_, t) => (index * 131 + (t + shift) * 7919) % job.vocab);

/** Counts dispatches and waits of this process from now on. */
export interface Meter {
  /** Since the last call. */
  take(): { kernels: number; waited: number };
}

/** Looks on at WebGPU itself, so that both sides are counted alike. */
export function meter(): Meter {
  let [kernels, waited, waiting, since] = [0, 0, 0, 0];
  const pass = globalThis.GPUComputePassEncoder.prototype;
  const { dispatchWorkgroups } = pass;
  pass.dispatchWorkgroups = function (...args) {
    kernels++;
    return dispatchWorkgroups.apply(this, args);
  };
  const buffer = globalThis.GPUBuffer.prototype;
  const { mapAsync } = buffer;
  buffer.mapAsync = async function (...args) {
    if (waiting++ === 0) since = performance.now();
    try {
      return await mapAsync.apply(this, args);
    } finally {
      if (--waiting === 0) waited += performance.now() - since;
    }
  };
  return {
    take() {
      const found = { kernels, waited };
      [kernels, waited] = [0, 0];
      return found;
    },
  };
}

/** Steps of the trainer, clipped at 1 under AdamW, on one rank of the webgpu device. */
export async function ourSteps(job: Job, steps: number, counted: Meter): Promise<Step[]> {
  await useDevice("webgpu");
  const field = { shape: [job.context], dtype: "int32" } as const;
  const sample = (index: number) => ({ input: noise(job, index, 0), target: noise(job, index, 1) });
  const options = {
    model: gpt(job),
    data: { input: field, target: field, tokens: job.context, sample },
    batch: job.batch,
    optimizer: adamw({ lr: 1e-3 }),
    clip: 1,
    steps,
    device: "webgpu" as const,
    run: false as const,
    quiet: true,
  };
  const found: Step[] = [];
  const onStep = ({ ms, loss }: StepReport) => {
    const { kernels, waited } = counted.take();
    found.push({ ms, kernels, busy: ms - waited, loss });
  };
  counted.take();
  await runRanks(memory(), {
    options,
    plan: await plan(options),
    events: { onStep },
    stop: new AbortController().signal,
  });
  return found;
}

/** Name of the stock backend: copy the kernels there before our device replaces some. */
export const stockName = "webgpu-stock";

/** tfjs's backend and kernels as they come, under another name, to which its kernels were copied before our device started. */
export async function registerStock(): Promise<void> {
  const adapter = (await navigator.gpu.requestAdapter({ powerPreference: "high-performance" }))!;
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name as "maxBufferSize"];
  const device = await adapter.requestDevice({ requiredLimits });
  tf.registerBackend(stockName, () => new WebGPUBackend(device, adapter.info));
}

/** Steps of plain tfjs code: `tf.variableGrads`, then tfjs's Adam. */
export async function stockSteps(job: Job, steps: number, counted: Meter): Promise<Step[]> {
  await tf.setBackend(stockName);
  const model = stockGpt(job);
  const optimizer = tf.train.adam(1e-3);
  const stack = (shift: number) =>
    tf.tensor2d(
      Array.from({ length: job.batch }, (_, i) => [...noise(job, i, shift)]),
      [job.batch, job.context],
      "int32",
    );
  const [tokens, targets] = [stack(0), stack(1)];
  const found: Step[] = [];
  for (let i = 0; i < steps; i++) {
    counted.take();
    const from = performance.now();
    const { value, grads } = model.gradients(tokens, targets);
    optimizer.applyGradients(grads as Record<string, tf.Variable>);
    const loss = (await value.data())[0]! / (job.batch * job.context);
    const ms = performance.now() - from;
    tf.dispose([value, grads]);
    const { kernels, waited } = counted.take();
    found.push({ ms, kernels, busy: ms - waited, loss });
  }
  model.dispose();
  optimizer.dispose();
  tf.dispose([tokens, targets]);
  return found;
}

const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;

/** The median step of those after the first, which compiles. */
export function typical(steps: readonly Step[]): Step {
  const of = (key: keyof Step) => median(steps.slice(1).map((step) => step[key]));
  return { ms: of("ms"), kernels: of("kernels"), busy: of("busy"), loss: steps.at(-1)!.loss };
}
