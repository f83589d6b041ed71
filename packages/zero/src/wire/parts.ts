// The two halves of a collective, over any codec: every member gets its part summed, or everyone's part. A part is a list of
// vectors, one a tensor. By direct exchange: one hop, (N-1)/N of the elements. Knows no tensors and no machines.
import type { Group } from "@orthant/core";
import { type Codec, unpacked } from "./codec.ts";

/** One member's share of a call: a vector of each tensor. */
export type Part = readonly Float32Array[];

/** What rounding lost, by call, for the same call of the next step. */
export type Lost = Map<string, Float32Array>;

export interface Way {
  readonly group: Pick<Group, "rank" | "size" | "exchange">;
  readonly codec: Codec;
  /** Absent where what rounding loses is forgotten. */
  readonly lost?: Lost | undefined;
}

const sizesOf = (part: Part): number[] => part.map(({ length }) => length);

/** Memory for what `part` loses under this name; zeros where the sizes have changed. */
function lostUnder({ codec, lost }: Way, name: string, part: Part): Float32Array | undefined {
  if (!lost || !codec.feedback) return undefined;
  const key = name.replace(/^step \d+ /, "");
  const length = part.reduce((sum, vector) => sum + vector.length, 0);
  const before = lost.get(key);
  const memory = before?.length === length ? before : new Float32Array(length);
  lost.set(key, memory);
  return memory;
}

/** Sends `parts[i]` to member i; resolves to the sum over members of mine, in rank order, in float32. Mine is exact. */
export async function sumParts(way: Way, parts: readonly Part[], at: string): Promise<Part> {
  const { group, codec } = way;
  const own = parts[group.rank]!;
  if (group.size === 1) return own;
  const none = new Uint8Array(0);
  const packed = parts.map((part, i) =>
    i === group.rank ? none : codec.pack(part, lostUnder(way, `${at} to ${i}`, part)),
  );
  const received = await group.exchange(packed, at);
  const sizes = sizesOf(own);
  const all = received.map((bytes, i) => (i === group.rank ? own : unpacked(codec, bytes, sizes)));
  const totals = all[0]!.map((first) => first.slice());
  for (const part of all.slice(1))
    for (const [j, total] of totals.entries()) {
      const vector = part[j]!;
      for (let i = 0; i < total.length; i++) total[i]! += vector[i]!;
    }
  return totals;
}

/**
 * Sends my part to all; resolves to everyone's, that of member i of `sizes[i]`. Mine comes back rounded as the others get it,
 * so that all hold the same bits.
 */
export async function shareParts(
  way: Way,
  mine: Part,
  sizes: readonly (readonly number[])[],
  at: string,
): Promise<Part[]> {
  const { group, codec } = way;
  if (group.size === 1) return [mine];
  const packed = codec.pack(mine, lostUnder(way, at, mine));
  const received = await group.exchange(
    sizes.map(() => packed),
    at,
  );
  return received.map((bytes, i) => unpacked(codec, bytes, sizes[i]!));
}
