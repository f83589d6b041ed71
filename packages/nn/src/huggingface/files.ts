// The safetensors files of one folder, read tensor by tensor where they lie. Synchronous, as first values are asked for; nothing
// outside the folder is read.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import {
  floatTypes,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type StoredEntry,
  toFloats,
} from "@orthant/core/internal";
import { Config } from "./config.ts";

const WHOLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** A tensor and the file that has it. */
export interface Located extends StoredEntry {
  readonly file: string;
}

function withFile<T>(file: string, use: (descriptor: number) => T): T {
  const descriptor = openSync(file, "r");
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads `length` bytes, in as many calls as the system wants. */
function readAt(file: string, descriptor: number, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(descriptor, bytes, done, length - done, from + done);
    if (!count) throw new Error(`${file} ends at byte ${from + done}, and byte ${from + length} was wanted`);
    done += count;
  }
  return bytes;
}

function entriesOf(file: string): Located[] {
  return withFile(file, (descriptor) => {
    const { size } = fstatSync(descriptor);
    const length = headerLength(file, readAt(file, descriptor, 0, Math.min(LENGTH_BYTES, size)), size);
    const { entries } = parseHeader(file, readAt(file, descriptor, LENGTH_BYTES, length), size);
    return [...entries.values()].map((entry) => ({ ...entry, file }));
  });
}

/** Names of the files that the index lists; one that leads out of the folder is refused. */
function indexed(folder: string): string[] {
  const path = join(folder, INDEX);
  const map = Config.parse(path, readFileSync(path, "utf8")).field("weight_map");
  const names = [...new Set(Object.values((map ?? {}) as object))];
  const odd = names.find((name) => typeof name !== "string" || !/^\w[\w.-]*\.safetensors$/.test(name));
  if (odd !== undefined || !names.length)
    throw new Error(`${path}: its weight_map names ${JSON.stringify(odd)}, which is no safetensors file of the folder`);
  return names as string[];
}

/** Lists the tensors of `model.safetensors`, or of the files that its index names. Throws where there are none. */
export function locate(folder: string): ReadonlyMap<string, Located> {
  const names = existsSync(join(folder, INDEX)) ? indexed(folder) : [WHOLE];
  if (!existsSync(join(folder, names[0]!)))
    throw new Error(`there is no ${join(folder, names[0]!)}: give the folder that save_pretrained wrote`);
  return new Map(names.flatMap((name) => entriesOf(join(folder, name))).map((entry) => [entry.name, entry]));
}

/** Reads a tensor as float32. Throws where it has no floating-point numbers. */
export function readTensor({ file, name, dtype, from, to }: Located): Float32Array {
  const bytes = withFile(file, (descriptor) => readAt(file, descriptor, from, to - from));
  const values = toFloats(dtype, bytes);
  if (!values) throw new Error(`${file}: tensor ${name} is ${dtype}; parameters are ${floatTypes.join(", ")}`);
  return values;
}

/** Reads the first bytes of a tensor, at most `most`: what tells it from another without reading it all. */
export const readStart = ({ file, from, to }: Located, most: number): Uint8Array =>
  withFile(file, (descriptor) => readAt(file, descriptor, from, Math.min(most, to - from)));
