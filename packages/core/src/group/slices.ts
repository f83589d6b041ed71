// How vectors are cut: into a chunk for each member, and what is large into slices (as in NCCL), so that a receiver sums or
// places one while the next is on its way.
import { chunk } from "../params/params.ts";

export interface Slice {
  /** Elements before it, and before its end. */
  readonly from: number;
  readonly to: number;
  /** Of the key. */
  readonly suffix: string;
}

/** Elements: with their headers four messages of 1 MiB, which take longer to place than to wake for, and stay in caches. */
const sliceSize = 2 ** 20 - 2 ** 10;

export function slices(length: number): Slice[] {
  const count = Math.max(1, Math.ceil(length / sliceSize));
  return Array.from({ length: count }, (_, i) => ({
    from: i * sliceSize,
    to: Math.min(length, (i + 1) * sliceSize),
    suffix: count > 1 ? ` slice ${i}` : "",
  }));
}

/** Elements of all. */
export const lengthOf = (vectors: readonly Float32Array[]): number =>
  vectors.reduce((sum, { length }) => sum + length, 0);

/** Member i's chunk of each vector, in the same memory. */
export const chunksOf = (vectors: readonly Float32Array[], members: number, i: number): Float32Array[] =>
  vectors.map((vector) => vector.subarray(...chunk(vector.length, members, i)));

/** Copies `values` into the vectors, read as one, from element `begin` on. */
export function place(vectors: readonly Float32Array[], values: Float32Array, begin: number): void {
  let before = -begin;
  for (const vector of vectors) {
    const part = values.subarray(Math.max(0, before), Math.max(0, before + vector.length));
    if (part.length > 0) vector.set(part, Math.max(0, -before));
    before += vector.length;
  }
}
