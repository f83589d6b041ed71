// Weights to and from the rest of the world: a checkpoint as one safetensors file, and such a file as a checkpoint that a run can
// start from. A tensor at a time is in memory.
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { version } from "../version.ts";
import { flushFolder, readAt, reasonOf } from "./disk.ts";
import { wholeExtent } from "./extent.ts";
import { floatTypes, toFloats } from "./floats.ts";
import { commit, type Found, findCheckpoint, openFolder, partialFolder } from "./folder.ts";
import { Loader } from "./load.ts";
import type { StoredEntry } from "./safetensors.ts";
import { readEntries, type Written, writeShard } from "./shard-file.ts";
import { shardFile } from "./shards.ts";
import type { StoredTensor } from "./state.ts";

async function checkpointAt(path: string): Promise<Found> {
  const found = await findCheckpoint(path);
  if (!found) throw new Error(`there is no checkpoint in ${path}: it has no state.json and no latest`);
  return found;
}

/**
 * Writes the parameters of a checkpoint, or of a run's latest, whole, into one safetensors file: float32, under the model's own names.
 * Resolves to their number. Throws where `file` is there already, and where the checkpoint is not whole.
 */
export async function exportCheckpoint(path: string, file: string): Promise<number> {
  const found = await checkpointAt(path);
  if (existsSync(file)) throw new Error(`${file} is there already: name another file`);
  const loader = new Loader(found);
  const tensors = found.state.tensors.map(({ name, shape }): Written => {
    const extent = wholeExtent(shape);
    return { name, extent, values: () => loader.piece(name, extent) };
  });
  const partial = `${file}.partial`;
  try {
    await rm(partial, { force: true });
    await writeShard(partial, tensors);
    await rename(partial, file);
    await flushFolder(dirname(file));
    return tensors.length;
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw cause;
  } finally {
    await loader.close();
  }
}

/**
 * Makes a checkpoint of no steps in `folder` from a safetensors file whose tensors have the model's names, for
 * `train({ resume: folder })`. F32, F16, BF16 and F64 are read. Resolves to their number. Throws where the folder has a checkpoint.
 */
export async function importWeights(file: string, folder: string): Promise<number> {
  if (await findCheckpoint(folder)) throw new Error(`${folder} has checkpoints already: name another folder`);
  const handle = await open(file, "r").catch((cause) => {
    throw new Error(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
  });
  try {
    const entries = [...(await readEntries(file, handle)).values()];
    for (const { name, dtype } of entries)
      if (!floatTypes.includes(dtype))
        throw new Error(`${file}: tensor ${name} is ${dtype}; parameters are ${floatTypes.join(", ")}`);
    return await writeImported(folder, entries, (entry) => readFloats(file, handle, entry));
  } finally {
    await handle.close();
  }
}

async function readFloats(
  file: string,
  handle: FileHandle,
  { name, dtype, from, to }: StoredEntry,
): Promise<Float32Array> {
  const bytes = new Uint8Array(to - from);
  await readAt(handle, bytes, from).catch((cause) => {
    throw new Error(`cannot read ${file}, tensor ${name}: ${reasonOf(cause)}`, { cause });
  });
  return toFloats(dtype, bytes)!;
}

async function writeImported(
  folder: string,
  entries: readonly StoredEntry[],
  read: (entry: StoredEntry) => Promise<Float32Array>,
): Promise<number> {
  await openFolder(folder);
  const partial = partialFolder(folder, 0);
  await mkdir(partial);
  const tensors = entries.map((entry) => ({ entry, extent: wholeExtent(entry.shape) }));
  const written = tensors.map(
    ({ entry, extent }): Written => ({ name: entry.name, extent, values: () => read(entry) }),
  );
  const checksums = await writeShard(join(partial, shardFile("model", 0, 1)), written);
  const stored = tensors.map(({ entry: { name, shape }, extent }, i): StoredTensor => {
    const parts = extent.to ? [{ shard: 0, ...extent, checksums: [checksums[i]!] }] : [];
    return { name, shape, slots: 0, parts };
  });
  const run = { library: version(), model: "imported", mesh: {}, strategies: [], seed: 0, batch: 0 };
  const optimizer = { name: "none", slots: 0 };
  await commit(folder, { ...run, optimizer, step: 0, samples: 0, shards: 1, tensors: stored });
  return tensors.length;
}
