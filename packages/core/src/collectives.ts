// Collectives on vectors, by direct exchange: every member sends each other member just what it needs, one hop, and sums
// in rank order, so the bits do not depend on the transport. Bytes as in a ring (Patarasuk and Yuan, 2009). No tensors.
import { chunk } from "./params.ts";
import type { Frame, Transport } from "./transport.ts";

/** The members of one group, as ranks of the transport, in group order; `at` is this member's position. */
export interface Members {
  readonly transport: Transport;
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
  const length = parts.reduce((n, part) => n + part.length, 0);
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
  const { transport, ranks, at } = members;
  const sent = transport.send(others(members), key, toFrame(mine));
  const all = ranks.map(async (rank, i) => (i === at ? mine : (toVector(await transport.recv(rank, key)) as V)));
  const [vectors] = await Promise.all([Promise.all(all), sent]);
  return vectors;
}

/** Sends `parts[i]` to member i; the parts that the others sent to me, in group order; mine is handed through. */
async function exchange(members: Members, parts: readonly Float32Array[], key: string): Promise<Float32Array[]> {
  const { transport, ranks, at } = members;
  // Each begins with the member after it, so that not all send to the same one.
  const next = [...ranks.keys()].map((i) => (at + i) % ranks.length).slice(1);
  const sent = next.map((i) => transport.send([ranks[i]!], key, toFrame(parts[i]!)));
  const got = ranks.map(async (rank, i) =>
    i === at ? parts[at]! : (toVector(await transport.recv(rank, key)) as Float32Array),
  );
  const [vectors] = await Promise.all([Promise.all(got), Promise.all(sent)]);
  return vectors;
}

/** The sum in group order, written over the first vector that is not mine; the other received ones are handed back. */
function sum({ transport, at }: Members, vectors: readonly Float32Array[]): Float32Array {
  if (vectors.length === 1) return vectors[0]!.slice();
  const total = vectors[at === 0 ? 1 : 0]!;
  const [first, second] = vectors as [Float32Array, Float32Array];
  for (let i = 0; i < total.length; i++) total[i] = first[i]! + second[i]!;
  for (const vector of vectors.slice(2)) for (let i = 0; i < total.length; i++) total[i]! += vector[i]!;
  vectors.forEach((vector, i) => {
    if (i !== at && vector !== total) transport.recycle?.(toFrame(vector).data);
  });
  return total;
}

/** Of each vector, the sum over members of my chunk. Sends (N-1)/N of the elements. */
export async function reduceScatter(
  members: Members,
  xs: readonly Float32Array[],
  key: string,
): Promise<Float32Array[]> {
  const { ranks, at } = members;
  const parts = ranks.map((_, i) => concat(xs.map((x) => x.subarray(...chunk(x.length, ranks.length, i)))));
  const total = sum(members, await exchange(members, parts, key));
  const sizes = xs.map((x) => chunk(x.length, ranks.length, at)).map(([from, to]) => to - from);
  return cut(total, sizes);
}

/** `whole` in pieces of `sizes`, in the same memory. */
export function cut(whole: Float32Array, sizes: readonly number[]): Float32Array[] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return whole.subarray(at - size, at);
  });
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
  const { transport, ranks, at } = members;
  const place = (vector: Float32Array, i: number): void => {
    let read = 0;
    sizes.forEach((size, n) => {
      const [from, to] = chunk(size, ranks.length, i);
      wholes[n]!.set(vector.subarray(read, read + to - from), from);
      read += to - from;
    });
  };
  const mine = concat(chunks);
  const sent = transport.send(others(members), key, toFrame(mine));
  const received = others(members).map(async (rank) => {
    const { data } = await transport.recv(rank, key);
    place(toVector({ dtype: "float32", shape: [], data }) as Float32Array, ranks.indexOf(rank));
    transport.recycle?.(data);
  });
  place(mine, at); // while the others' are on their way
  await Promise.all([sent, ...received]);
  return [...wholes];
}

/**
 * Of each vector, the sum over members. Sends 2 (N-1)/N of the elements. Two members exchange whole vectors: the same
 * bytes and bits in one hop instead of two, and sums in received memory; more put them into `totals`.
 */
export async function allReduce(
  members: Members,
  xs: readonly Float32Array[],
  key: string,
  totals?: readonly Float32Array[],
): Promise<Float32Array[]> {
  const sizes = xs.map((x) => x.length);
  if (members.ranks.length === 2) return cut(sum(members, await gather(members, concat(xs), key)), sizes);
  const mine = await reduceScatter(members, xs, `${key} scatter`);
  const wholes = await allGather(members, mine, sizes, `${key} gather`, totals);
  members.transport.recycle?.(toFrame(concat(mine)).data);
  return [...wholes];
}
