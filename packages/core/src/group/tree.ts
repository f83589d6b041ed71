// Collectives over a binomial tree (Thakur, Rabenseifner and Gropp, 2005): in 2 log2 N hops a member sends at most
// 1 + log2 N messages instead of N - 1. The first member sums, in group order, so the bits are those of the direct exchange.
// Its bytes are more: for what is small. Member i hangs under i without its lowest bit, so a subtree is a range of members.
import { chunkSize, chunksOf, partsOf } from "./slices.ts";
import { concat, cut, lengthOf, type Members, place, toBytes, toFrame, toVector, type Vector } from "./vectors.ts";

/** Members above which the number of messages matters. Up to here bytes are the formulas' 2 (N-1)/N. */
const fewMembers = 8;

/** Bytes of whole vectors up to which a tree is faster; see decision 016. */
const smallBytes = 2 ** 15;

/** Decides how a collective travels whose vectors, whole, have `bytes` together: every member decides alike. */
export const usesTree = (members: number, bytes: number): boolean => members > fewMembers && bytes <= smallBytes;

/** Counts the hops from member i to the first. */
export function hopsToFirst(i: number): number {
  let hops = 0;
  for (let rest = i; rest > 0; rest &= rest - 1) hops++;
  return hops;
}

/** Members of the subtree of member i, a range from i on. */
const subtree = (i: number, members: number): number => Math.min(i === 0 ? members : i & -i, members - i);

/** Members that hang under member i, the nearest first. */
function childrenOf(i: number, members: number): number[] {
  const children: number[] = [];
  for (let step = 1; step < subtree(i, members); step *= 2) children.push(i + step);
  return children;
}

/** The rank that member `at` hangs under. */
const parentOf = ({ ranks, at }: Members): number => ranks[at & (at - 1)]!;

/**
 * Brings the members' vectors, which may differ in length, to the first member: there one after the other in group order, in
 * memory of their own where there is more than one member; undefined elsewhere.
 */
export async function gatherToFirst<V extends Vector>(members: Members, mine: V, key: string): Promise<V | undefined> {
  const { endpoint, ranks, at } = members;
  const frames = await Promise.all(childrenOf(at, ranks.length).map((i) => endpoint.recv(ranks[i]!, key)));
  const all = concat([mine, ...frames.map((frame) => toVector(frame) as V)]);
  for (const { data } of frames) endpoint.recycle?.(data);
  if (at === 0) return all;
  await endpoint.send([parentOf(members)], key, toFrame(all));
  return undefined;
}

/** Brings the first member's vector to all; the others give undefined. Same key as `gatherToFirst`: this goes the other way. */
export async function broadcast<V extends Vector>(members: Members, vector: V | undefined, key: string): Promise<V> {
  const { endpoint, ranks, at } = members;
  const found = vector ?? (toVector(await endpoint.recv(parentOf(members), key)) as V);
  const children = childrenOf(at, ranks.length).reverse(); // the deepest subtree first
  if (children.length > 0)
    await endpoint.send(
      children.map((i) => ranks[i]!),
      key,
      toFrame(found),
    );
  return found;
}

/** Brings part i of the first member's vector, `sizeOf(i)` elements, to member i; the others give undefined. */
async function scatterFromFirst<V extends Vector>(
  members: Members,
  vector: V | undefined,
  sizeOf: (member: number) => number,
  key: string,
): Promise<V> {
  const { endpoint, ranks, at } = members;
  const found = vector ?? (toVector(await endpoint.recv(parentOf(members), key)) as V);
  const below = subtree(at, ranks.length);
  const sizes = Array.from({ length: below }, (_, i) => sizeOf(at + i));
  const parts = cut(found, sizes);
  const send = (i: number): Promise<void> =>
    endpoint.send([ranks[i]!], key, toFrame(concat(parts.slice(i - at, i - at + subtree(i, ranks.length)))));
  await Promise.all(childrenOf(at, ranks.length).reverse().map(send));
  return parts[0]!;
}

/** The sum of `members` vectors that stand one after the other, in their order, written over the first. */
function sum<V extends Vector>(all: V, members: number): V {
  const [total, ...rest] = cut<Vector>(
    all,
    Array.from({ length: members }, () => all.length / members),
  ) as [Vector, ...Vector[]];
  for (const vector of rest) for (let i = 0; i < total.length; i++) total[i]! += vector[i]!;
  return total as V;
}

/** Writes, of each vector, the sum over members into `totals`. */
export async function allReduce<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[],
): Promise<void> {
  const all = await gatherToFirst(members, concat(xs), key);
  const total = await broadcast(members, all && sum(all, members.ranks.length), key);
  place(totals, total, 0);
  members.endpoint.recycle?.(toBytes(total));
}

/** Writes, of each vector, the sum over members of my chunk into `totals`. */
export async function reduceScatter<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[],
): Promise<void> {
  const count = members.ranks.length;
  const sizes = xs.map(({ length }) => length);
  const all = await gatherToFirst(members, concat(xs), key);
  const parts = all && concat(partsOf(cut(sum(all, count), sizes), count));
  const mine = await scatterFromFirst(members, parts, (i) => chunkSize(sizes, count, i), key);
  place(totals, mine, 0);
}

/** Writes the whole vectors into `wholes`, from everyone's chunk of each. */
export async function allGather<V extends Vector>(
  members: Members,
  chunks: readonly V[],
  key: string,
  wholes: readonly V[],
): Promise<void> {
  const parts = await gatherToFirst(members, concat(chunks), key);
  if (parts) joinParts(parts, wholes, members.ranks.length);
  const all = await broadcast(members, parts && concat(wholes), key);
  if (parts) return;
  place(wholes, all, 0);
  members.endpoint.recycle?.(toBytes(all));
}

/** Writes everyone's chunks, one member's after the other's, where they belong in `wholes`. */
function joinParts<V extends Vector>(parts: V, wholes: readonly V[], members: number): void {
  let at = 0;
  for (let i = 0; i < members; i++) {
    const chunks = chunksOf(wholes, members, i);
    const length = lengthOf(chunks);
    place(chunks, parts.subarray(at, at + length) as V, 0);
    at += length;
  }
}

/** Elements that all members send to bring `sizes[i]` elements of each member i to the first, or from it. */
export const sentAlongTree = (sizes: readonly number[]): number =>
  sizes.reduce((sum, size, i) => sum + size * hopsToFirst(i), 0);
