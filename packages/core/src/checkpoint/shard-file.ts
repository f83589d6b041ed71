// One shard's file, tensor after tensor: written with a checksum a block, read by the blocks that are wanted. Float32 alone.
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { readAt, reasonOf, writeAt } from "./disk.ts";
import type { Extent, Stretch } from "./extent.ts";
import { encodeHeader, headerLength, LENGTH_BYTES, parseHeader, type StoredEntry } from "./safetensors.ts";
import { BLOCK_BYTES, blocksOf, type StoredPart } from "./state.ts";

/** Shape of a part in its file: that of its box, or a vector where it is a range of one. */
export const shapeInFile = ({ shape, from, to }: Extent): readonly number[] =>
  to - from === shape.reduce((n, size) => n * size, 1) ? shape : [to - from];

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** A tensor to be written; its values are asked for when their turn comes. */
export interface Written {
  readonly name: string;
  readonly extent: Extent;
  values(): Promise<Float32Array>;
}

/** Writes a file of its own and flushes it. Returns the checksums of each tensor; throws an error that names file and tensor. */
export async function writeShard(path: string, tensors: readonly Written[]): Promise<number[][]> {
  const { bytes, entries } = encodeHeader(
    tensors.map(({ name, extent }) => ({ name, dtype: "F32" as const, shape: shapeInFile(extent) })),
    { format: "orthant" },
  );
  const handle = await guarded(path, "its header", () => open(path, "wx"));
  try {
    await guarded(path, "its header", () => writeAt(handle, bytes, 0));
    const checksums: number[][] = [];
    for (const [i, { name, values }] of tensors.entries()) {
      const found = bytesOf(await values());
      checksums.push(await guarded(path, `tensor ${name}`, () => writeBlocks(handle, found, entries[i]!)));
    }
    await guarded(path, "its last bytes", () => handle.sync());
    return checksums;
  } finally {
    await handle.close();
  }
}

async function guarded<T>(path: string, what: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new Error(`checkpoint: cannot write ${path}, ${what}: ${reasonOf(cause)}`, { cause });
  }
}

/** Bytes that go to the disk in one call: each is a wait for another thread, which on a busy machine is milliseconds. */
const WRITE_BYTES = 64 * BLOCK_BYTES;

const checksumsOf = (bytes: Uint8Array): number[] =>
  Array.from({ length: Math.ceil(bytes.length / BLOCK_BYTES) }, (_, i) =>
    crc32(bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)),
  );

/** Writes a tensor's blocks; while some are on their way their checksums are taken. */
async function writeBlocks(handle: FileHandle, bytes: Uint8Array, { from, to }: StoredEntry): Promise<number[]> {
  if (bytes.length !== to - from) throw new Error(`it has ${bytes.length} bytes, and ${to - from} were planned`);
  const checksums: number[] = [];
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    const blocks = bytes.subarray(at, at + WRITE_BYTES);
    const writing = writeAt(handle, blocks, from + at);
    checksums.push(...checksumsOf(blocks));
    await writing;
  }
  return checksums;
}

/** A shard's file that is open for reading. */
export class ShardReader {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #entries: ReadonlyMap<string, StoredEntry>;
  /** The block read last, and its memory, which all have in turn. */
  #block: { readonly key: string; readonly bytes: Uint8Array } | undefined;
  readonly #memory = new Uint8Array(BLOCK_BYTES);

  private constructor(path: string, handle: FileHandle, entries: ReadonlyMap<string, StoredEntry>) {
    this.#path = path;
    this.#handle = handle;
    this.#entries = entries;
  }

  /** Opens a file and reads its header. Throws where it is missing, truncated, or no safetensors file. */
  static async open(path: string): Promise<ShardReader> {
    const handle = await open(path, "r").catch((cause) => {
      throw new Error(`checkpoint: cannot read ${path}: ${reasonOf(cause)}`, { cause });
    });
    try {
      return new ShardReader(path, handle, await readEntries(path, handle));
    } catch (cause) {
      await handle.close();
      throw cause;
    }
  }

  close = (): Promise<void> => this.#handle.close();

  /** Copies runs of a part of a tensor into `target`. */
  async copy(
    name: string,
    part: StoredPart,
    checksums: readonly number[],
    runs: Iterable<Stretch>,
    target: Float32Array,
  ) {
    const entry = this.#entryOf(name, part);
    const bytes = bytesOf(target);
    for (const { from, to, count } of runs)
      for (let done = 0; done < 4 * count; ) {
        const at = 4 * from + done;
        const block = await this.#read(name, entry, checksums, Math.floor(at / BLOCK_BYTES));
        const found = block.subarray(at % BLOCK_BYTES, (at % BLOCK_BYTES) + 4 * count - done);
        bytes.set(found, 4 * to + done);
        done += found.length;
      }
  }

  /** Throws where the file does not have a part as the state says. */
  check(name: string, part: StoredPart): void {
    this.#entryOf(name, part);
  }

  #entryOf(name: string, part: StoredPart): StoredEntry {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`${this.#path} has no tensor ${name}, which state.json says it has`);
    const shape = shapeInFile(part);
    if (entry.dtype !== "F32" || entry.shape.join() !== shape.join())
      throw new Error(
        `${this.#path}: tensor ${name} is ${entry.dtype} [${entry.shape.join(", ")}], and state.json says F32 [${shape.join(", ")}]`,
      );
    return entry;
  }

  async #read(name: string, { from, to }: StoredEntry, checksums: readonly number[], block: number) {
    const key = `${block} ${name}`;
    if (this.#block?.key === key) return this.#block.bytes;
    const at = from + block * BLOCK_BYTES;
    const bytes = this.#memory.subarray(0, Math.min(BLOCK_BYTES, to - at));
    this.#block = undefined;
    await readAt(this.#handle, bytes, at).catch((cause) => {
      throw new Error(`checkpoint: cannot read ${this.#path}, tensor ${name}: ${reasonOf(cause)}`, { cause });
    });
    if (crc32(bytes) !== checksums[block])
      throw new Error(
        `${this.#path} is corrupt: tensor ${name}, bytes ${at} to ${at + bytes.length}, block ${block + 1} of ` +
          `${blocksOf((to - from) / 4)}: the checksum is ${crc32(bytes)}, and was ${checksums[block]}`,
      );
    this.#block = { key, bytes };
    return bytes;
  }
}

/** Reads a file's header. */
export async function readEntries(path: string, handle: FileHandle): Promise<ReadonlyMap<string, StoredEntry>> {
  const { size } = await handle.stat();
  const first = new Uint8Array(Math.min(LENGTH_BYTES, size));
  await readAt(handle, first, 0);
  const json = new Uint8Array(headerLength(path, first, size));
  await readAt(handle, json, LENGTH_BYTES);
  return parseHeader(path, json, size).entries;
}
