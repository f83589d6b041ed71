// Continues a text, one token at a time, on one device. Runs the whole context for every token: no cache of keys.
import { forward, randomKey, uniformInt, type Weights } from "@orthant/core";
import type { Tokenizer } from "./data/tokenizer.ts";
import type { LanguageModel } from "./models/language.ts";

export interface SampleOptions {
  readonly prompt: string;
  /** Tokens to add: bytes, where there is no tokenizer. */
  readonly length: number;
  /** The tokenizer of the text that the model was trained on; bytes by default. */
  readonly tokenizer?: Tokenizer;
  /** Logits are divided by this; towards 0 the likeliest token always wins. 0.8 by default. */
  readonly temperature?: number;
  readonly seed?: number;
}

/** A byte is a token. */
const bytes: Tokenizer = {
  vocab: 256,
  encode: (text) => new TextEncoder().encode(text),
  decode: (tokens) => new TextDecoder().decode(Uint8Array.from(tokens)),
};

/** An index drawn from the softmax of `logits / temperature`; `u` is uniform in [0, 1). */
function draw(logits: Float32Array, temperature: number, u: number): number {
  const top = Math.max(...logits);
  const odds = Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const bar = u * odds.reduce((sum, p) => sum + p, 0);
  let sum = 0;
  const drawn = odds.findIndex((p) => {
    sum += p;
    return sum > bar;
  });
  return Math.max(0, drawn);
}

/** `prompt` and what the model adds to it. `weights` are those that `train` returns. Sets the device up if none is. */
export async function sample(model: LanguageModel, weights: Weights, options: SampleOptions): Promise<string> {
  const { prompt, length, tokenizer = bytes, temperature = 0.8, seed = 0 } = options;
  const { context, vocab } = model;
  if (!prompt.length) throw new Error("sample({ prompt }): give at least one character to continue");
  const tokens = Array.from(tokenizer.encode(prompt));
  const key = randomKey(seed, "sample");
  const run = await forward(model, weights);
  for (let i = 0; i < length; i++) {
    const seen = tokens.slice(-context);
    const input = Int32Array.from({ length: context }, (_, t) => seen[t] ?? 0);
    const logits = await run({ values: input, shape: [1, context], dtype: "int32" });
    const last = logits.subarray((seen.length - 1) * vocab, seen.length * vocab);
    tokens.push(draw(last, temperature, uniformInt(key, i, 2 ** 32) / 2 ** 32));
  }
  run.dispose();
  return tokenizer.decode(tokens);
}
