// A text as tokens: bytes, or those of a tokenizer. A sample is a window at a random place, its target the same window one token on.
import { readFileSync, statSync } from "node:fs";
import { type Data, randomKey, uniformInt } from "@orthant/core";
import { encoded } from "./encoded.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface TextOptions {
  /** Tokens in a sample. */
  readonly context: number;
  /** What cuts the text into tokens, such as `bytePair("tokenizer.json")`; a token is a byte by default. */
  readonly tokenizer?: Tokenizer;
}

/** Bytes of `source`, with an error that says which file. */
function read(source: string | URL): Uint8Array {
  if (!statSync(source, { throwIfNoEntry: false })?.isFile())
    throw new Error(
      `text("${source}"): there is no such file; paths count from the working directory, ${process.cwd()}`,
    );
  return readFileSync(source);
}

/**
 * The file at `source` as tokens: input and target `[context]`, int32. With a tokenizer the text is encoded as a whole, once; for one that is
 * larger than memory, write a token file and read that by `tokens()`. Throws on a file too short for one sample.
 */
export function text(source: string | URL, { context, tokenizer }: TextOptions): Data {
  const bytes = read(source);
  if (bytes.length === 0) throw new Error(`text("${source}"): the file is empty`);
  const all = tokenizer ? encoded(bytes, tokenizer) : bytes;
  const places = all.length - context;
  if (places < 1)
    throw new Error(
      `text("${source}"): ${all.length} ${tokenizer ? "tokens" : "bytes"} are too few for context ${context}, which needs ` +
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
        input: Int32Array.from(all.subarray(at, at + context)),
        target: Int32Array.from(all.subarray(at + 1, at + 1 + context)),
      };
    },
  };
}
