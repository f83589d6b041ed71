// Collectives on vectors, by direct exchange: every member sends each other member just what it needs, one hop, and sums
// in rank order, so the bits do not depend on the endpoint. Bytes as in a ring (Patarasuk and Yuan, 2009). What is large
// travels in slices (as in NCCL): one is summed and placed while the next is on its way. No tensors.

import type { Endpoint, Frame } from "../transports/endpoint.ts";
import { chunksOf, lengthOf, place, type Slice, slices } from "./slices.ts";

/** The members of one group, as ranks of the endpoint, in group order; `at` is this member's position. */
export interface Members {
  readonly endpoint: Endpoint;
  readonly ranks: readonly number[];
  readonly at: number;
}

type Vector = Float32Array | Float64Array | Int32Array;

const wireType = (data: Vector) =>
  data instanceof Int32Array ? "int32" : data instanceof Float64Array ? "float64" : "float32";

/** The same memory, as a frame. */
export const toFrame = (data: Vector, shape: readonly number[] = [data.length]): Frame => ({
  dtype: wireType(data),
  shape,
  data: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
});

/** The same memory, as numbers. */
export function toVector({ dtype, data: { buffer, byteOffset, byteLength } }: Frame): Vector {
  if (dtype === "int32") return new Int32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  if (dtype === "float64") return new Float64Array(buffer as ArrayBuffer, byteOffset, byteLength / 8);
  return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
}

/** Whether each part begins where the one before ends. */
const neighbours = (parts: readonly Float32Array[]): boolean =>
  parts.every((part, i) => {
    const before = parts[i - 1];
    return !before || (before.buffer === part.buffer && before.byteOffset + before.byteLength === part.byteOffset);
  });

/** The parts as one vector: the same memory where they are neighbours, else a copy. */
export function concat(parts: readonly Float32Array[]): Float32Array {
  const length = lengthOf(parts);
  const [first = new Float32Array(0)] = parts;
  if (neighbours(parts)) return new Float32Array(first.buffer as ArrayBuffer, first.byteOffset, length);
  const whole = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const others = ({ ranks, at }: Members) => ranks.filter((_, i) => i !== at);

/** Every member's vector, in group order; mine is handed through. */
export async function gather<V extends Vector>(members: Members, mine: V, key: string): Promise<V[]> {
  const { endpoint, ranks, at } = members;
  const sent = endpoint.send(others(members), key, toFrame(mine));
  const all = ranks.map(async (rank, i) => (i === at ? mine : (toVector(await endpoint.recv(rank, key)) as V)));
  const [vectors] = await Promise.all([Promise.all(all), sent]);
  return vectors;
}

/** Receives the other members' chunks into `wholes`. */
async function receive({ endpoint, ranks, at }: Members, wholes: readonly Float32Array[], key: string): Promise<void> {
  const receiveFrom = async (i: number): Promise<void> => {
    const chunks = chunksOf(wholes, ranks.length, i);
    for (const { from, suffix } of slices(lengthOf(chunks))) {
      const frame = await endpoint.recv(ranks[i]!, key + suffix);
      place(chunks, toVector(frame) as Float32Array, from);
      endpoint.recycle?.(frame.data);
    }
  };
  await Promise.all([...ranks.keys()].filter((i) => i !== at).map(receiveFrom));
}

/** The sum in group order, written over the first vector that is not mine; the other received ones are handed back. */
function sum({ endpoint, at }: Members, vectors: readonly Float32Array[]): Float32Array {
  const total = vectors[at === 0 ? 1 : 0]!;
  const [first, second] = vectors as [Float32Array, Float32Array];
  for (let i = 0; i < total.length; i++) total[i] = first[i]! + second[i]!;
  for (const vector of vectors.slice(2)) for (let i = 0; i < total.length; i++) total[i]! += vector[i]!;
  vectors.forEach((vector, i) => {
    if (i !== at && vector !== total) endpoint.recycle?.(toFrame(vector).data);
  });
  return total;
}

/** Sends `parts[i]` to member i; `take` gets the sum over members of mine, slice by slice, in memory that is used again. */
async function reduce(
  members: Members,
  parts: readonly Float32Array[],
  key: string,
  take: (total: Float32Array, slice: Slice) => void | Promise<void>,
): Promise<void> {
  const { endpoint, ranks, at } = members;
  const send = async (i: number): Promise<void> => {
    for (const { from, to, suffix } of slices(parts[i]!.length))
      await endpoint.send([ranks[i]!], key + suffix, toFrame(parts[i]!.subarray(from, to)));
  };
  const sliceOf = async (i: number, slice: Slice): Promise<Float32Array> => {
    if (i === at) return parts[at]!.subarray(slice.from, slice.to);
    return toVector(await endpoint.recv(ranks[i]!, key + slice.suffix)) as Float32Array;
  };
  const sumMine = async (): Promise<void> => {
    for (const slice of slices(parts[at]!.length)) {
      const total = sum(members, await Promise.all(ranks.map((_, i) => sliceOf(i, slice))));
      await take(total, slice);
      endpoint.recycle?.(toFrame(total).data);
    }
  };
  // Each begins with the member after it, so that not all send to the same one.
  const next = [...ranks.keys()].map((i) => (at + i) % ranks.length).slice(1);
  await Promise.all([...next.map(send), sumMine()]);
}

/** What each member gets of the vectors. */
const partsOf = ({ ranks }: Members, xs: readonly Float32Array[]): Float32Array[] =>
  ranks.map((_, i) => concat(chunksOf(xs, ranks.length, i)));

/** `whole` in pieces of `sizes`, in the same memory. */
export function cut(whole: Float32Array, sizes: readonly number[]): Float32Array[] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return whole.subarray(at - size, at);
  });
}

const room = (alike: readonly Float32Array[]): Float32Array[] => alike.map(({ length }) => new Float32Array(length));

/** Of each vector, the sum over members of my chunk, in the memory of `totals`. Sends (N-1)/N of the elements. */
export async function reduceScatter(
  members: Members,
  xs: readonly Float32Array[],
  key: string,
  totals: readonly Float32Array[] = room(chunksOf(xs, members.ranks.length, members.at)),
): Promise<Float32Array[]> {
  await reduce(members, partsOf(members, xs), key, (total, { from }) => place(totals, total, from));
  return [...totals];
}

/**
 * From everyone's chunk of each vector, the whole vectors of `sizes` elements, in the memory of `wholes`, whose first
 * touch is the larger part of the cost where it is fresh. Sends (N-1)/N of the elements.
 */
export async function allGather(
  members: Members,
  chunks: readonly Float32Array[],
  sizes: readonly number[],
  key: string,
  wholes: readonly Float32Array[] = sizes.map((size) => new Float32Array(size)),
): Promise<Float32Array[]> {
  const { endpoint, ranks, at } = members;
  const mine = concat(chunks);
  const own = chunksOf(wholes, ranks.length, at);
  const send = async (): Promise<void> => {
    for (const { from, to, suffix } of slices(mine.length)) {
      const sent = endpoint.send(others(members), key + suffix, toFrame(mine.subarray(from, to)));
      place(own, mine.subarray(from, to), from); // while it is on its way
      await sent;
    }
  };
  await Promise.all([send(), receive(members, wholes, key)]);
  return [...wholes];
}

/**
 * Of each vector, the sum over members, in the memory of `totals`. Sends 2 (N-1)/N of the elements. Two members exchange
 * whole vectors: the same bytes and bits in one hop instead of two.
 */
export async function allReduce(
  members: Members,
  xs: readonly Float32Array[],
  key: string,
  totals: readonly Float32Array[] = room(xs),
): Promise<Float32Array[]> {
  const { endpoint, ranks, at } = members;
  if (ranks.length === 2) {
    const mine = concat(xs);
    await reduce(members, [mine, mine], key, (total, { from }) => place(totals, total, from));
    return [...totals];
  }
  const own = chunksOf(totals, ranks.length, at);
  const reduced = reduce(members, partsOf(members, xs), `${key} scatter`, async (total, { from, suffix }) => {
    const sent = endpoint.send(others(members), `${key} gather${suffix}`, toFrame(total));
    place(own, total, from);
    await sent;
  });
  await Promise.all([reduced, receive(members, totals, `${key} gather`)]);
  return [...totals];
}
