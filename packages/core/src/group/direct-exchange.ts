// Collectives on vectors, by direct exchange: every member sends each other member just what it needs, one hop, and sums
// in rank order, so the bits do not depend on the endpoint. Bytes as in a ring (Patarasuk and Yuan, 2009). What is large
// travels in slices (as in NCCL): one is summed and placed while the next is on its way. For at least two members.
import { chunksOf, partsOf, type Slice, slices } from "./slices.ts";
import { concat, lengthOf, type Members, place, toFrame, toVector, type Vector } from "./vectors.ts";

const others = ({ ranks, at }: Members) => ranks.filter((_, i) => i !== at);

/** Receives the other members' chunks into `wholes`. */
async function receive<V extends Vector>(
  { endpoint, ranks, at }: Members,
  wholes: readonly V[],
  key: string,
): Promise<void> {
  const receiveFrom = async (i: number): Promise<void> => {
    const chunks = chunksOf(wholes, ranks.length, i);
    for (const { from, suffix } of slices(lengthOf(chunks))) {
      const frame = await endpoint.recv(ranks[i]!, key + suffix);
      place(chunks, toVector(frame) as V, from);
      endpoint.recycle?.(frame.data);
    }
  };
  await Promise.all([...ranks.keys()].filter((i) => i !== at).map(receiveFrom));
}

/** The sum in group order, written over the first vector that is not mine; the other received ones are handed back. */
function sum<V extends Vector>({ endpoint, at }: Members, vectors: readonly V[]): V {
  const total: Vector = vectors[at === 0 ? 1 : 0]!;
  const [first, second] = vectors as readonly Vector[] as [Vector, Vector];
  for (let i = 0; i < total.length; i++) total[i] = first[i]! + second[i]!;
  for (const vector of vectors.slice(2)) for (let i = 0; i < total.length; i++) total[i]! += vector[i]!;
  vectors.forEach((vector, i) => {
    if (i !== at && vector !== total) endpoint.recycle?.(toFrame(vector).data);
  });
  return total as V;
}

/** Sends `parts[i]` to member i; `take` gets the sum over members of mine, slice by slice, in memory that is used again. */
async function reduce<V extends Vector>(
  members: Members,
  parts: readonly V[],
  key: string,
  take: (total: V, slice: Slice) => void | Promise<void>,
): Promise<void> {
  const { endpoint, ranks, at } = members;
  const send = async (i: number): Promise<void> => {
    for (const { from, to, suffix } of slices(parts[i]!.length))
      await endpoint.send([ranks[i]!], key + suffix, toFrame(parts[i]!.subarray(from, to)));
  };
  const sliceOf = async (i: number, slice: Slice): Promise<V> => {
    if (i === at) return parts[at]!.subarray(slice.from, slice.to) as V;
    return toVector(await endpoint.recv(ranks[i]!, key + slice.suffix)) as V;
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

/** Writes, of each vector, the sum over members of my chunk into `totals`. Sends (N-1)/N of the elements. */
export async function reduceScatter<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[],
): Promise<readonly V[]> {
  await reduce(members, partsOf(xs, members.ranks.length), key, (total, { from }) => place(totals, total, from));
  return totals;
}

/** Writes the whole vectors into `wholes`, from everyone's chunk of each. Sends (N-1)/N of the elements. */
export async function allGather<V extends Vector>(
  members: Members,
  chunks: readonly V[],
  key: string,
  wholes: readonly V[],
): Promise<readonly V[]> {
  const { endpoint, ranks, at } = members;
  const mine = concat(chunks);
  const own = chunksOf(wholes, ranks.length, at);
  const send = async (): Promise<void> => {
    for (const { from, to, suffix } of slices(mine.length)) {
      const sent = endpoint.send(others(members), key + suffix, toFrame(mine.subarray(from, to)));
      place(own, mine.subarray(from, to) as V, from); // while it is on its way
      await sent;
    }
  };
  await Promise.all([send(), receive(members, wholes, key)]);
  return wholes;
}

/**
 * Writes, of each vector, the sum over members into `totals`. Sends 2 (N-1)/N of the elements. Two members exchange whole
 * vectors: the same bytes and bits in one hop instead of two.
 */
export async function allReduce<V extends Vector>(
  members: Members,
  xs: readonly V[],
  key: string,
  totals: readonly V[],
): Promise<readonly V[]> {
  const { endpoint, ranks, at } = members;
  if (ranks.length === 2) {
    const mine = concat(xs);
    await reduce(members, [mine, mine], key, (total, { from }) => place(totals, total, from));
    return totals;
  }
  const own = chunksOf(totals, ranks.length, at);
  const reduced = reduce(members, partsOf(xs, ranks.length), `${key} scatter`, async (total, { from, suffix }) => {
    const sent = endpoint.send(others(members), `${key} gather${suffix}`, toFrame(total));
    place(own, total, from);
    await sent;
  });
  await Promise.all([reduced, receive(members, totals, `${key} gather`)]);
  return totals;
}
