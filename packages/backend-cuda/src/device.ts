// The device that `train({ device: cuda() })` takes, and the tfjs backend that `tf.setBackend("cuda")` starts: the same one.

import type { Active, Device, Where } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { CudaBackend, type Precision, type Residual } from "./backend/backend.ts";
import { openGpu } from "./driver/cuda.ts";
import type { Gpu } from "./driver/gpu.ts";
import { profiled } from "./driver/profiled.ts";
import { kernels } from "./kernels/index.ts";
import { backendName } from "./kernels/table.ts";
import { fuseAdam } from "./kernels/tfjs/adam.ts";
import { gradients } from "./kernels/tfjs/gradients.ts";
import { allocator } from "./memory/allocator.ts";

/** Options of `cuda()`. */
export interface CudaOptions {
  /** Number format of matrix products; "tf32" by default. */
  readonly precision?: Precision;
  /** How the residual stream is stored at precision "bf16": as float32 by default, as PyTorch's autocast does. */
  readonly residual?: Residual;
  /** The same bits from run to run, at the cost of slower products and scatters; false by default. */
  readonly deterministic?: boolean;
}

const precisions: readonly Precision[] = ["fp32", "tf32", "bf16"];

function checkPrecision(precision: string): Precision {
  if (precisions.includes(precision as Precision)) return precision as Precision;
  throw new Error(`device cuda: no precision "${precision}"; there are ${precisions.join(", ")}`);
}

/**
 * The card, or one that times each of its kernels where ORTHANT_PROFILE names a file: a trace is written there as the process ends
 * (with `.1` and so on behind it for further cards), and the ten kernels that cost most are printed.
 */
function watched(gpu: Gpu, localRank: number, path = process.env.ORTHANT_PROFILE): Gpu {
  if (!path) return gpu;
  const timed = profiled(gpu, localRank);
  timed.begin();
  process.once("exit", () => {
    timed.writeTrace(localRank ? `${path}.${localRank}` : path);
    console.error(`${gpu.name}, each kernel alone:\n${timed.table(10)}`);
  });
  return timed;
}

/** Opens a card and makes a backend of it. */
export function cudaBackend(
  { precision = "tf32", deterministic = false, residual = "fp32" }: CudaOptions = {},
  localRank = 0,
): CudaBackend {
  const gpu = watched(openGpu({ localRank, compute: precision, deterministic }), localRank);
  return new CudaBackend(gpu, allocator(gpu), precision, residual);
}

/** Registers every kernel for tfjs's backend "cuda", and what takes the place of tfjs's own gradients and Adam, once a thread. */
export function registerKernels(): void {
  if (tf.getKernel("Add", backendName)) return;
  kernels().forEach(tf.registerKernel);
  gradients.forEach(tf.registerGradient);
  fuseAdam();
}

function activeOf(backend: CudaBackend): Active {
  return {
    backend: backendName,
    bytesHeld: () => backend.memoryPool.counters().used,
    copiesVectors: true,
    views: true,
  };
}

/** The backend of this thread, made once: a second start must ask for the same precision. */
function started(options: CudaOptions, { localRank, precision }: Where): CudaBackend {
  const wanted = checkPrecision(precision ?? options.precision ?? "tf32");
  const running = tf.engine().registry[backendName] as CudaBackend | undefined;
  const same = running instanceof CudaBackend && running.precision === wanted;
  if (same && running.residual === (wanted === "bf16" ? (options.residual ?? "fp32") : "fp32")) return running;
  if (tf.findBackendFactory(backendName)) tf.removeBackend(backendName); // disposes of one that runs
  const backend = cudaBackend({ ...options, precision: wanted }, localRank);
  tf.registerBackend(backendName, () => backend);
  return backend;
}

/** The NVIDIA GPU as a device. Throws at its start where there is no card, driver or library, saying what was looked for. */
export const cuda = (options: CudaOptions = {}): Device => ({
  name: "cuda",
  precisions,
  async start(where) {
    const backend = started(options, where);
    registerKernels();
    return activeOf(backend);
  },
});
