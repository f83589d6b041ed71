// Loads any part of any tensor of a checkpoint, whatever mesh wrote it: of each file only the blocks that are wanted.
import { join } from "node:path";
import { type Extent, type Stretch, stretchesBetween } from "./extent.ts";
import type { Found } from "./folder.ts";
import { ShardReader } from "./shard-file.ts";
import { shardFile, slotName } from "./shards.ts";
import type { StoredPart, StoredTensor } from "./state.ts";

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
    const { path } = this.found;
    const found: { part: StoredPart; runs: readonly Stretch[]; reader: ShardReader }[] = [];
    for (const part of this.#tensors.get(name)?.parts ?? []) {
      const runs = [...stretchesBetween(part, wanted)];
      if (runs.length) found.push({ part, runs, reader: await this.#readerOf(part, slot) });
    }
    const stored = slot === undefined ? name : slotName(name, slot);
    for (const { part, reader } of found) reader.check(stored, part); // before memory is taken for what a state only says
    const size = wanted.to - wanted.from;
    const copied = found.flatMap(({ runs }) => runs).reduce((sum, { count }) => sum + count, 0);
    if (copied !== size)
      throw new Error(`${path}: of tensor ${name} ${size} elements are wanted, and its parts have ${copied} of them`);
    const values = new Float32Array(size);
    for (const { part, runs, reader } of found)
      await reader.copy(stored, part, part.checksums[slot === undefined ? 0 : slot + 1]!, runs, values);
    return values;
  }

  #readerOf({ shard }: StoredPart, slot: number | undefined): Promise<ShardReader> {
    const { path, state } = this.found;
    return this.#open(join(path, shardFile(slot === undefined ? "model" : "optimizer", shard, state.shards)));
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
