// A text as bytes: a sample is a window at a random place, its target the same window one byte on.
import { readFileSync, statSync } from "node:fs";
import { type Data, randomKey, uniformInt } from "@orthant/core";

export interface TextOptions {
  /** Bytes in a sample. */
  readonly context: number;
}

/** Bytes of `source`, with an error that says which file. */
function read(source: string | URL): Uint8Array {
  if (!statSync(source, { throwIfNoEntry: false })?.isFile())
    throw new Error(
      `text("${source}"): there is no such file; paths count from the working directory, ${process.cwd()}`,
    );
  return readFileSync(source);
}

/** The file at `source` as byte tokens: input and target `[context]`, int32. Throws on a file too short for one sample. */
export function text(source: string | URL, { context }: TextOptions): Data {
  const bytes = read(source);
  const places = bytes.length - context;
  if (bytes.length === 0) throw new Error(`text("${source}"): the file is empty`);
  if (places < 1)
    throw new Error(
      `text("${source}"): ${bytes.length} bytes are too few for context ${context}, which needs ` +
        `${context} + 1 = ${context + 1}; give a longer text or a shorter context`,
    );
  const field = { shape: [context], dtype: "int32" } as const;
  return {
    input: field,
    target: field,
    tokens: context,
    sample(index, seed) {
      const at = uniformInt(randomKey(seed, "text"), index, places);
      return {
        input: Int32Array.from(bytes.subarray(at, at + context)),
        target: Int32Array.from(bytes.subarray(at + 1, at + 1 + context)),
      };
    },
  };
}
