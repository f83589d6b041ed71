// A file of token numbers, one after the other, as tokenizers write them; larger than memory, since windows are read one by one.
import { type Data, randomKey, uniformInt } from "@orthant/core";
import { openRanged } from "./ranged-file.ts";

/** Options of `tokens()`. */
export interface TokensOptions {
  /** Tokens in a sample. */
  readonly context: number;
  /** How a token is written, little-endian: "uint16", up to 65,535, by default. */
  readonly dtype?: "uint8" | "uint16" | "uint32";
}

const sizes = { uint8: 1, uint16: 2, uint32: 4 } as const;

/** Numbers of `width` bytes each, little-endian. */
function decode(bytes: Uint8Array, width: number): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (i: number) =>
    width === 1 ? bytes[i]! : width === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
  return Int32Array.from({ length: bytes.length / width }, (_, i) => at(i));
}

/**
 * The token file at `source`: a sample is a window at a random place, its target the same window one token on, both
 * `[context]`, int32. Holds nothing of the file. Throws on one too short for a sample, or of no whole number of tokens.
 */
export function tokens(source: string | URL, { context, dtype = "uint16" }: TokensOptions): Data {
  const who = `tokens("${source}")`;
  const width = sizes[dtype];
  if (!width) throw new Error(`${who}: dtype "${dtype}" is none of ${Object.keys(sizes).join(", ")}`);
  if (!Number.isInteger(context) || context < 1)
    throw new Error(`${who}: context is ${context}; it must be a whole number from 1`);
  const file = openRanged(source, who);
  if (file.size % width !== 0)
    throw new Error(`${who}: ${file.size} bytes are no whole number of ${dtype} of ${width} bytes: give another dtype`);
  const places = file.size / width - context;
  if (places < 1)
    throw new Error(
      `${who}: ${file.size / width} tokens are too few for context ${context}, which needs ${context + 1}`,
    );
  const field = { shape: [context], dtype: "int32" } as const;
  return {
    input: field,
    target: field,
    tokens: context,
    async sample(index, seed) {
      const at = uniformInt(randomKey(seed, "tokens"), index, places);
      const window = decode(await file.read(at * width, (context + 1) * width), width);
      return { input: window.subarray(0, context), target: window.subarray(1) };
    },
  };
}
