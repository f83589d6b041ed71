// The parts of one shard: read from the rank that has them, written to its files, listed in the state.
import type { Plan } from "../plan/plan.ts";
import { writeShard } from "./shard-file.ts";
import { type Part, type Shard, type ShardKind, slotName } from "./shards.ts";
import type { StoredTensor } from "./state.ts";

/** What a rank reads of itself: the piece of a parameter that it updates, and the optimizer state of that. */
export interface Source {
  piece(name: string): Promise<Float32Array>;
  slots(name: string): Promise<readonly Float32Array[]>;
}

/** Checksums of a part: of its value, then of each slot; each a list by block. */
export type Checksums = readonly (readonly number[])[];

/** Reads all that is to be written, so that it may change meanwhile. */
export async function copied(parts: readonly Part[], source: Source): Promise<Source> {
  const pieces = new Map<string, Float32Array>();
  const slots = new Map<string, readonly Float32Array[]>();
  for (const part of parts) {
    const { name } = part.spec;
    pieces.set(name, await source.piece(name));
    if (part.slots) slots.set(name, await source.slots(name));
  }
  return { piece: async (name) => pieces.get(name)!, slots: async (name) => slots.get(name)! };
}

/** Writes the files of a shard, a tensor at a time. */
export async function writeParts(pathOf: (kind: ShardKind) => string, parts: readonly Part[], source: Source) {
  const values = parts.map(({ spec: { name }, extent }) => ({ name, extent, values: () => source.piece(name) }));
  const slots = parts.flatMap((part) => {
    let read: Promise<readonly Float32Array[]> | undefined;
    return Array.from({ length: part.slots }, (_, slot) => ({
      name: slotName(part.spec.name, slot),
      extent: part.extent,
      async values() {
        read ??= source.slots(part.spec.name);
        const found = (await read)[slot]!;
        if (slot === part.slots - 1) read = undefined; // the last of them: the memory may go
        return found;
      },
    }));
  });
  const ofValues = await writeShard(pathOf("model"), values);
  const ofSlots = slots.length ? await writeShard(pathOf("optimizer"), slots) : [];
  let at = 0;
  return parts.map((part, i): Checksums => {
    at += part.slots;
    return [ofValues[i]!, ...ofSlots.slice(at - part.slots, at)];
  });
}

/** Lists every tensor with the parts that were written; `checksums[shard][part]`. */
export function tensorsOf({ specs }: Plan, shards: readonly Shard[], checksums: readonly (readonly Checksums[])[]) {
  const parts = Map.groupBy(
    shards.flatMap((shard, s) => shard.parts.map((part, i) => ({ part, shard: s, checksums: checksums[s]![i]! }))),
    ({ part }) => part.spec.name,
  );
  return specs.map(({ name, shape }): StoredTensor => {
    const mine = parts.get(name) ?? [];
    return {
      name,
      shape,
      slots: mine[0]?.part.slots ?? 0,
      parts: mine.map(({ part, shard, checksums }) => ({ shard, ...part.extent, checksums })),
    };
  });
}
