// Tensors to numbers: how the elements leave a device. Callers need not know which device that is.
import { dispose, type Tensor } from "@tensorflow/tfjs";
import { activeDevice } from "./index.ts";
import { sumOfSquares, sumsOfSquares } from "./kernels/squares.ts";

/**
 * True where the device keeps tensors in memory of its own, so that a vector which became a tensor may be written again.
 * Other backends may go on using the caller's memory.
 */
export const copiesVectors = (): boolean => activeDevice()?.copiesVectors ?? false;

/** Bytes that tensors occupy on this thread's device, by its own count; 0 where it has none. */
export const bytesOnDevice = (): number => activeDevice()?.bytesHeld?.() ?? 0;

/**
 * Reads the elements of float32 tensors. `take` gives vectors of those sizes to read into, neighbours in one buffer, which
 * is one copy less when they are sent together; a device that reads into memory of its own choice ignores it.
 */
export async function readTensors(
  xs: readonly Tensor[],
  take: (sizes: readonly number[]) => Float32Array[],
): Promise<Float32Array[]> {
  const { read, readAll } = activeDevice() ?? {};
  if (!read) return readAll ? readAll(xs) : Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
  const vectors = take(xs.map((x) => x.size));
  for (const [i, x] of xs.entries()) read(x, vectors[i]!);
  return vectors;
}

/** Elements `from .. to - 1` of `x` read as a vector. */
export interface Part {
  readonly x: Tensor;
  readonly from: number;
  readonly to: number;
}

/** Sums the squares of each part: by one kernel, or else read with one wait, where the device can. */
export async function readSquares(parts: readonly Part[]): Promise<number[]> {
  if (!parts.length) return [];
  const together = sumsOfSquares.own();
  const sums = together ? [allSquares(parts)] : parts.map(({ x, from, to }) => sumOfSquares({ x }, { from, to }));
  const found = await readTensors(sums, (sizes) => sizes.map((size) => new Float32Array(size)));
  dispose(sums);
  return together ? [...found[0]!] : found.map((each) => each.reduce((sum, part) => sum + part, 0));
}

const allSquares = (parts: readonly Part[]): Tensor =>
  sumsOfSquares(
    parts.map(({ x }) => x),
    { from: parts.map(({ from }) => from), to: parts.map(({ to }) => to) },
  );
