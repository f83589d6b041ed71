// Tensors to numbers: how the elements leave a device. Callers need not know which device that is.
import type { Tensor } from "@tensorflow/tfjs";
import { floats, onWasm } from "./wasm/heap.ts";

/**
 * True where the device keeps tensors in memory of its own, so that a vector which became a tensor may be written again.
 * Other backends may go on using the caller's memory.
 */
export const copiesVectors = (): boolean => onWasm();

/**
 * Reads the elements of float32 tensors. `take` gives vectors of those sizes to read into, neighbours in one buffer, which
 * is one copy less when they are sent together; a device that reads into memory of its own choice ignores it.
 */
export async function readTensors(
  xs: readonly Tensor[],
  take: (sizes: readonly number[]) => Float32Array[],
): Promise<Float32Array[]> {
  if (!onWasm()) return Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
  const vectors = take(xs.map((x) => x.size));
  for (const [i, x] of xs.entries()) vectors[i]!.set(floats(x));
  return vectors;
}
