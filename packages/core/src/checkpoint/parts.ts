// The parts of one shard: read from the rank that has them, written to its files, listed in the state.
import type { Plan } from "../plan/plan.ts";
import type { Vectors } from "./extra.ts";
import { writeShard } from "./shard-file.ts";
import { type Part, type Shard, type ShardKind, slotName } from "./shards.ts";
import type { StoredTensor } from "./state.ts";

/** What a rank reads of itself: the piece of a parameter that it updates, and the optimizer state of that. */
export interface Source {
  /** Resolves to a copy, in `into` where the device can: it has the size of the piece. */
  piece(name: string, into?: Float32Array): Promise<Float32Array>;
  slots(name: string, into?: readonly Float32Array[]): Promise<readonly Float32Array[]>;
  /** Resolves to the extra state of its strategies, by name. */
  extra(): Promise<Vectors>;
}

/** Checksums of a part: of its value, then of each slot; each a list by block. */
export type Checksums = readonly (readonly number[])[];

/** Elements of a part's value, and of each of its slots. */
const sizeOf = ({ extent: { from, to } }: Part): number => to - from;

/** Bytes of all that is written of these parts. */
export const bytesOfParts = (parts: readonly Part[]): number =>
  parts.reduce((sum, part) => sum + 4 * sizeOf(part) * (1 + part.slots), 0);

/** Views a part's value and slots in memory that holds all, one part after the other. */
function* viewsIn(parts: readonly Part[], memory: ArrayBuffer): Generator<[name: string, views: Float32Array[]]> {
  let at = 0;
  for (const part of parts) {
    const size = sizeOf(part);
    const views = Array.from({ length: 1 + part.slots }, (_, i) => new Float32Array(memory, at + 4 * size * i, size));
    at += 4 * size * (1 + part.slots);
    yield [part.spec.name, views];
  }
}

/** Copies all that is to be written into `memory`, so that it may change meanwhile. */
export async function copyParts(parts: readonly Part[], source: Source, memory: ArrayBuffer): Promise<void> {
  for (const [name, [value, ...slots]] of viewsIn(parts, memory)) {
    place(await source.piece(name, value), value!);
    const found = slots.length ? await source.slots(name, slots) : [];
    for (const [i, slot] of slots.entries()) place(found[i]!, slot);
  }
}

const place = (found: Float32Array, into: Float32Array): void => void (found === into || into.set(found));

/** Reads what `copyParts` wrote, and extra state beside it. */
export function sourceIn(parts: readonly Part[], memory: ArrayBuffer, extra: Vectors): Source {
  const views = new Map(viewsIn(parts, memory));
  return {
    piece: async (name) => views.get(name)![0]!,
    slots: async (name) => views.get(name)!.slice(1),
    extra: async () => extra,
  };
}

/** Writes the files of a shard, a tensor at a time. */
export async function writeParts(
  paths: Readonly<Record<ShardKind, string>>,
  parts: readonly Part[],
  source: Source,
): Promise<readonly Checksums[]> {
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
  const ofValues = await writeShard(paths.model, values);
  const ofSlots = slots.length ? await writeShard(paths.optimizer, slots) : [];
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
