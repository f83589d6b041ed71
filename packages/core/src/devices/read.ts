// Tensors to numbers: how the elements leave a device. Callers need not know which device that is.
import type { Tensor } from "@tensorflow/tfjs";
import { activeDevice } from "./index.ts";
import { sumOfSquares, sumsOfSquares } from "./kernels/squares.ts";

/**
 * True where the device keeps tensors in memory of its own, so that a vector which became a tensor may be written again.
 * Other backends may go on using the caller's memory.
 */
export const copiesVectors = (): boolean => activeDevice()?.copiesVectors ?? false;

/**
 * Reads the elements of float32 tensors. `take` gives vectors of those sizes to read into, neighbours in one buffer, which
 * is one copy less when they are sent together; a device that reads into memory of its own choice ignores it.
 */
export async function readTensors(
  xs: readonly Tensor[],
  take: (sizes: readonly number[]) => Float32Array[],
): Promise<Float32Array[]> {
  const { read } = activeDevice() ?? {};
  if (!read) return Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
  const vectors = take(xs.map((x) => x.size));
  for (const [i, x] of xs.entries()) read(x, vectors[i]!);
  return vectors;
}

/** Sums the squares of the elements `from .. to - 1` of `x` read as a vector. */
export async function readSquares(x: Tensor, from: number, to: number): Promise<number> {
  const sums = sumOfSquares({ x }, { from, to });
  const parts = (await sums.data()) as Float32Array;
  sums.dispose();
  return parts.reduce((sum, part) => sum + part, 0);
}

/** A tensor and a range of its elements, read as a vector. */
export type Part = readonly [x: Tensor, from: number, to: number];

/** Sums the squares of many parts: in one read where the device has a kernel for that. */
export async function readAllSquares(parts: readonly Part[]): Promise<readonly number[]> {
  if (!parts.length || !sumsOfSquares.own()) return Promise.all(parts.map((part) => readSquares(...part)));
  const [from, to] = [parts.map((part) => part[1]), parts.map((part) => part[2])];
  const sums = sumsOfSquares(
    parts.map(([x]) => x),
    { from, to },
  );
  const read = [...((await sums.data()) as Float32Array)];
  sums.dispose();
  return read;
}
