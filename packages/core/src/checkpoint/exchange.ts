// Weights to and from the rest of the world: a checkpoint as one safetensors file, and such a file as a checkpoint that a run can
// start from. A tensor at a time is in memory.
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Shape } from "../model/segment.ts";
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

/** A whole tensor, under a name; its values, row-major, are asked for when their turn comes. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  values(): Float32Array | Promise<Float32Array>;
}

/** Opens the parameters of a checkpoint, or of a run's latest, whole, one at a time; close it after. Throws where there is none. */
export async function openParameters(path: string): Promise<{ tensors: NamedTensor[]; close(): Promise<void> }> {
  const found = await checkpointAt(path);
  const loader = new Loader(found);
  const tensors = found.state.tensors.map(({ name, shape }) => ({
    name,
    shape,
    values: () => loader.piece(name, wholeExtent(shape)),
  }));
  return { tensors, close: () => loader.close() };
}

const toWritten = ({ name, shape, values }: NamedTensor): Written => ({
  name,
  extent: wholeExtent(shape),
  values: async () => values(),
});

/**
 * Writes the parameters of a checkpoint, or of a run's latest, whole, into one safetensors file: float32, under the model's own names.
 * Resolves to their number. Throws where `file` is there already, and where the checkpoint is not whole.
 */
export async function exportCheckpoint(path: string, file: string): Promise<number> {
  const { tensors, close } = await openParameters(path);
  const partial = `${file}.partial`;
  try {
    if (existsSync(file)) throw new Error(`${file} is there already: name another file`);
    await rm(partial, { force: true });
    await writeShard(partial, tensors.map(toWritten));
    await rename(partial, file);
    await flushFolder(dirname(file));
    return tensors.length;
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw cause;
  } finally {
    await close();
  }
}

/**
 * Makes a checkpoint of no steps in `folder` from a safetensors file whose tensors have the model's names, for
 * `train({ resume: folder })`. F32, F16, BF16 and F64 are read. Resolves to their number. Throws where the folder has a checkpoint.
 */
export async function importWeights(file: string, folder: string): Promise<number> {
  await refuseCheckpoints(folder);
  const handle = await open(file, "r").catch((cause) => {
    throw new Error(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
  });
  try {
    const entries = [...(await readEntries(file, handle)).values()];
    for (const { name, dtype } of entries)
      if (!floatTypes.includes(dtype))
        throw new Error(`${file}: tensor ${name} is ${dtype}; parameters are ${floatTypes.join(", ")}`);
    const tensors = entries.map((entry) => ({ ...entry, values: () => readFloats(file, handle, entry) }));
    return await importTensors(tensors, folder);
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

/** Makes a checkpoint of no steps in `folder`, as `importWeights` does, of tensors from anywhere. Resolves to their number. */
export async function importTensors(tensors: readonly NamedTensor[], folder: string): Promise<number> {
  await refuseCheckpoints(folder);
  await openFolder(folder);
  const partial = partialFolder(folder, 0);
  await mkdir(partial);
  const checksums = await writeShard(join(partial, shardFile("model", 0, 1)), tensors.map(toWritten));
  const stored = tensors.map(({ name, shape }, i): StoredTensor => {
    const extent = wholeExtent(shape);
    const parts = extent.to ? [{ shard: 0, ...extent, checksums: [checksums[i]!] }] : [];
    return { name, shape, slots: 0, parts };
  });
  const run = { library: version(), model: "imported", mesh: {}, strategies: [], seed: 0, batch: 0 };
  const optimizer = { name: "none", slots: 0 };
  await commit(folder, { ...run, optimizer, step: 0, samples: 0, shards: 1, tensors: stored });
  return tensors.length;
}

async function refuseCheckpoints(folder: string): Promise<void> {
  if (await findCheckpoint(folder)) throw new Error(`${folder} has checkpoints already: name another folder`);
}
