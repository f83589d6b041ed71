// Collectives on vectors: by direct exchange, or over a tree where a large group exchanges little. Sums run in group order
// either way, so the bits are the same. For at least two members; inputs are left as they were. No tensors.
import * as direct from "./direct-exchange.ts";
import { chunksOf } from "./slices.ts";
import * as tree from "./tree.ts";
import { blank, lengthOf, type Members, type Vector } from "./vectors.ts";

const room = <V extends Vector>(alike: readonly V[]): V[] => alike.map((vector) => blank(vector, vector.length));

/** The way for vectors that have `elements` like those of `xs`, whole. */
const wayFor = ({ ranks }: Members, xs: readonly Vector[], elements: number) =>
  tree.usesTree(ranks.length, elements * (xs[0]?.BYTES_PER_ELEMENT ?? 0)) ? tree : direct;

/** Sums, of each vector, my chunk over the members, in the memory of `totals`. */
export function reduceScatter<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[] = room(chunksOf(xs, members.ranks.length, members.at)),
): Promise<readonly V[]> {
  return wayFor(members, xs, lengthOf(xs)).reduceScatter(members, xs, key, totals);
}

/**
 * Joins everyone's chunk of each vector to whole vectors of `sizes` elements, in the memory of `wholes`, whose first touch is
 * the larger part of the cost where it is fresh.
 */
export function allGather<V extends Vector>(
  members: Members,
  chunks: readonly V[],
  sizes: readonly number[],
  key: string,
  wholes: readonly V[] = sizes.map((size) => blank(chunks[0]!, size)),
): Promise<readonly V[]> {
  return wayFor(members, chunks, lengthOf(wholes)).allGather(members, chunks, key, wholes);
}

/** Sums each vector over the members, in the memory of `totals`. */
export function allReduce<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[] = room(xs),
): Promise<readonly V[]> {
  return wayFor(members, xs, lengthOf(xs)).allReduce(members, xs, key, totals);
}
