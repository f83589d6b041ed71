// How vectors are cut: into a chunk for each member, and what is large into slices (as in NCCL), so that a receiver sums or
// places one while the next is on its way.
import { chunk } from "../params/params.ts";
import { concat, type Vector } from "./vectors.ts";

export interface Slice {
  /** Elements before it, and before its end. */
  readonly from: number;
  readonly to: number;
  /** What the key ends with. */
  readonly suffix: string;
}

/** Elements: with their headers four messages of 1 MiB, which take longer to place than to wake for, and stay in caches. */
const sliceSize = 2 ** 20 - 2 ** 10;

/** Cuts `length` elements into slices; one, with no suffix, where that suffices. */
export function slices(length: number): Slice[] {
  const count = Math.max(1, Math.ceil(length / sliceSize));
  return Array.from({ length: count }, (_, i) => ({
    from: i * sliceSize,
    to: Math.min(length, (i + 1) * sliceSize),
    suffix: count > 1 ? ` slice ${i}` : "",
  }));
}

/** Member i's chunk of each vector, in the same memory. */
export const chunksOf = <V extends Vector>(vectors: readonly V[], members: number, i: number): V[] =>
  vectors.map((vector) => vector.subarray(...chunk(vector.length, members, i)) as V);

/** What each member gets of the vectors, by member. */
export const partsOf = <V extends Vector>(vectors: readonly V[], members: number): V[] =>
  Array.from({ length: members }, (_, i) => concat(chunksOf(vectors, members, i)));

/** Elements of member i's chunks of vectors of `sizes`. */
export const chunkSize = (sizes: readonly number[], members: number, i: number): number =>
  sizes.reduce((sum, size) => {
    const [from, to] = chunk(size, members, i);
    return sum + to - from;
  }, 0);
