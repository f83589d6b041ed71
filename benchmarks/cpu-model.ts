// The model and the data of the cpu benchmark, shared by its parts.
import type { Data } from "@orthant/core";
import { gpt, type LanguageModel } from "@orthant/nn";

export const sizes = { layers: 4, width: 256, heads: 4, context: 128, vocab: 256 } as const;

/** Number of sequences in a step. */
export const batch = 8;

/** Data of bytes that look like nothing in particular: what they are does not change the time. */
function noise(context: number): Data {
  const field = { shape: [context], dtype: "int32" } as const;
  const values = (index: number, shift: number) =>
    Int32Array.from({ length: context }, (_, t) => (index * 131 + (t + shift) * 7919) % 256);
  const sample = (index: number) => ({ input: values(index, 0), target: values(index, 1) });
  return { input: field, target: field, tokens: context, sample };
}

export function benchModel(): { model: LanguageModel; data: Data; batch: number } {
  return { model: gpt(sizes), data: noise(sizes.context), batch };
}
