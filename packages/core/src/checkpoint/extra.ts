// The file of a rank's extra state: vectors that go back to that rank alone, where mesh and strategies are the same.
import { join } from "node:path";
import { meshSize } from "../mesh.ts";
import type { Plan } from "../plan/plan.ts";
import { wholeExtent } from "./extent.ts";
import type { Found } from "./folder.ts";
import { ShardReader, writeShard } from "./shard-file.ts";
import type { State, StoredExtra } from "./state.ts";

export type Vectors = ReadonlyMap<string, Float32Array>;

/** Name of the file of a rank: `extra-00001-of-00004.safetensors`. */
export const extraFile = (rank: number, ranks: number): string =>
  `extra-${String(rank + 1).padStart(5, "0")}-of-${String(ranks).padStart(5, "0")}.safetensors`;

/** Copies vectors, so that they may change meanwhile. */
export const copyVectors = (vectors: Vectors): Vectors =>
  new Map([...vectors].map(([name, vector]) => [name, vector.slice()]));

/** Writes the file, where there is anything to write. Returns what the state says of it. */
export async function writeExtra(path: string, vectors: Vectors): Promise<Omit<StoredExtra, "rank">[]> {
  if (!vectors.size) return [];
  const checksums = await writeShard(
    path,
    [...vectors].map(([name, values]) => ({
      name,
      extent: wholeExtent([values.length]),
      values: async () => values,
    })),
  );
  return [...vectors].map(([name, { length }], i) => ({ name, size: length, checksums: checksums[i]! }));
}

/** Whether extra state of a checkpoint is of ranks like these. */
export const fitsExtra = ({ mesh, strategies }: State, plan: Pick<Plan, "mesh">, names: readonly string[]): boolean =>
  JSON.stringify(Object.entries(mesh)) === JSON.stringify(Object.entries(plan.mesh)) &&
  JSON.stringify(strategies) === JSON.stringify(names);

/** Reads the extra state of a rank. */
export async function readExtra({ path, state }: Found, rank: number): Promise<Vectors> {
  const mine = (state.extra ?? []).filter((extra) => extra.rank === rank);
  const vectors = new Map<string, Float32Array>();
  if (!mine.length) return vectors;
  const reader = await ShardReader.open(join(path, extraFile(rank, meshSize(state.mesh))));
  try {
    for (const { name, size, checksums } of mine) {
      const part = { ...wholeExtent([size]), shard: rank, checksums: [checksums] };
      reader.check(name, part);
      const values = new Float32Array(size);
      await reader.copy(name, part, checksums, [{ from: 0, to: 0, count: size }], values);
      vectors.set(name, values);
    }
    return vectors;
  } finally {
    await reader.close();
  }
}
