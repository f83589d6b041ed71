// Loads any part of any tensor of a checkpoint, whatever mesh wrote it: of each file only the blocks that are wanted.
import { join } from "node:path";
import { type Extent, stretchesBetween } from "./extent.ts";
import type { Found } from "./folder.ts";
import { ShardReader } from "./shard-file.ts";
import { shardFile, slotName } from "./shards.ts";
import type { StoredTensor } from "./state.ts";

/** Where values of a checkpoint come from: the disk, or the rank that has it. */
export interface Values {
  /** Resolves to an extent of a parameter. */
  piece(name: string, wanted: Extent): Promise<Float32Array>;
  /** Resolves to an extent of one tensor of a parameter's optimizer state. */
  slot(name: string, slot: number, wanted: Extent): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Reads values from the disk. */
export class Loader implements Values {
  readonly found: Found;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #readers = new Map<string, Promise<ShardReader>>();

  constructor(found: Found) {
    this.found = found;
    this.#tensors = new Map(found.state.tensors.map((tensor) => [tensor.name, tensor]));
  }

  piece = (name: string, wanted: Extent): Promise<Float32Array> => this.#read(name, wanted);

  slot = (name: string, slot: number, wanted: Extent): Promise<Float32Array> => this.#read(name, wanted, slot);

  async #read(name: string, wanted: Extent, slot?: number): Promise<Float32Array> {
    const values = new Float32Array(wanted.to - wanted.from);
    const { path, state } = this.found;
    let copied = 0;
    for (const part of this.#tensors.get(name)?.parts ?? []) {
      const runs = [...stretchesBetween(part, wanted)];
      if (!runs.length) continue;
      copied += runs.reduce((sum, { count }) => sum + count, 0);
      const file = shardFile(slot === undefined ? "model" : "optimizer", part.shard, state.shards);
      const reader = await this.#open(join(path, file));
      const stored = slot === undefined ? name : slotName(name, slot);
      await reader.copy(stored, part, part.checksums[slot === undefined ? 0 : slot + 1]!, runs, values);
    }
    if (copied !== values.length)
      throw new Error(
        `${path}: of tensor ${name} ${values.length} elements are wanted, and its parts have ${copied} of them`,
      );
    return values;
  }

  #open(path: string): Promise<ShardReader> {
    const opened = this.#readers.get(path) ?? ShardReader.open(path);
    this.#readers.set(path, opened);
    return opened;
  }

  /** Closes all files. */
  async close(): Promise<void> {
    for (const opened of this.#readers.values())
      await opened.then(
        (reader) => reader.close(),
        () => {},
      );
    this.#readers.clear();
  }
}
