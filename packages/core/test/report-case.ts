// One small run on eight ranks, for the tests of what a run reports.
import { gpt } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { type Data, memory, sgd, type TrainOptions } from "../src/index.ts";

const context = 4;

const data: Data = {
  input: { shape: [context], dtype: "int32" },
  target: { shape: [context], dtype: "int32" },
  tokens: context,
  sample: (index) => ({ input: Int32Array.of(index % 8, 1, 2, 3), target: Int32Array.of(1, 2, 3, 4) }),
};

export const eightRanks: TrainOptions = {
  model: gpt({ layers: 4, width: 8, heads: 2, context, vocab: 8 }),
  data,
  batch: 16,
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })],
  optimizer: sgd({ lr: 0.1 }),
  steps: 3,
  transport: memory({ stall: 20_000 }),
};
