// Runs one operation on tfjs's cpu backend and on cuda, from the same numbers, and tells how far apart they are. Memory of
// the cuda backend is exact to the byte here, poisoned before use and guarded on both sides.
import * as tf from "@tensorflow/tfjs";
import type { Precision } from "../../src/backend/backend.ts";
import { CudaBackend } from "../../src/backend/backend.ts";
import type { Gpu } from "../../src/driver/gpu.ts";
import { kernels } from "../../src/kernels/index.ts";
import { guarded } from "./guarded.ts";

/** Makes `cuda` a backend of this thread over `gpu`. */
export function useGpu(gpu: Gpu, precision: Precision = "fp32", memory = guarded(gpu)): CudaBackend {
  const backend = new CudaBackend(gpu, memory, precision);
  if (tf.findBackendFactory("cuda")) tf.removeBackend("cuda");
  tf.registerBackend("cuda", () => backend);
  if (!tf.getKernel("Add", "cuda")) kernels().forEach(tf.registerKernel);
  return backend;
}

export interface Outcome {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: Float32Array;
}

type Run = () => tf.Tensor | tf.Tensor[];

/** Outputs on one backend; no tensor is left behind. */
export function outcomes(backend: string, run: Run): Outcome[] {
  tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const found = tf.tidy(() =>
    [run()].flat().map((y) => ({ shape: y.shape, dtype: y.dtype, values: Float32Array.from(y.dataSync()) })),
  );
  if (tf.memory().numTensors !== before) throw new Error(`${tf.memory().numTensors - before} tensors were left behind`);
  return found;
}

/** ||found - expected|| / ||expected||, where both are NaN or infinite alike counting as equal. */
export function distance(found: Float32Array, expected: Float32Array): number {
  let [apart, size] = [0, 0];
  for (const [i, want] of expected.entries()) {
    const got = found[i]!;
    if (Object.is(got, want) || got === want) {
      if (Number.isFinite(want)) size += want * want;
      continue;
    }
    apart += (got - want) ** 2;
    size += want * want;
  }
  return apart === 0 ? 0 : Math.sqrt(apart) / (Math.sqrt(size) || 1);
}

/** The worst distance between cuda's outputs and cpu's. Throws where shapes or dtypes differ. */
export function worst(run: Run, reference: Run = run): number {
  const [expected, found] = [outcomes("cpu", reference), outcomes("cuda", run)];
  const describe = (all: Outcome[]) => all.map(({ shape, dtype }) => `${dtype}[${shape}]`).join(" ");
  if (describe(found) !== describe(expected))
    throw new Error(`cuda gives ${describe(found)}, cpu ${describe(expected)}`);
  const distances = found.map(({ values }, i) => distance(values, expected[i]!.values));
  return distances.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(0, ...distances);
}
