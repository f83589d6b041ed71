// Compiled kernels on disk, by what they are made from. A file appears whole or not at all, whoever else writes it; where nothing
// can be written, kernels are compiled again.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../library/places.ts";

/** The folder: `ORTHANT_CACHE`, else `orthant/cuda` in the user's cache folder. */
export const cacheFolder = (env: Environment = process.env): string =>
  env.ORTHANT_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "orthant", "cuda");

/** Name of the file for a source, an architecture and a compiler's version. */
export const cacheKey = (...parts: readonly string[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return `${hash.digest("hex").slice(0, 32)}.cubin`;
};

function read(path: string): Uint8Array | undefined {
  try {
    const found = readFileSync(path);
    return found.length ? found : undefined;
  } catch {
    return undefined;
  }
}

function write(folder: string, name: string, image: Uint8Array): void {
  const draft = join(folder, `${name}.${process.pid}.${performance.now().toString(36)}`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, image);
    renameSync(draft, join(folder, name));
  } catch {
    // a full or read-only disk costs time, not results
  }
}

/** What `make` gives, from the disk where it was made before. */
export function cached(folder: string, name: string, make: () => Uint8Array): Uint8Array {
  const found = read(join(folder, name));
  if (found) return found;
  const image = make();
  write(folder, name, image);
  return image;
}
