// The training whose losses over each wire are held against float32's, in the tests and in `npm run bench -- wire`.
import { adamw, memory, type TrainOptions } from "@orthant/core";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { type ZeroOptions, zero } from "../src/index.ts";

export const wireJob = (dp: number, options: ZeroOptions, steps: number): TrainOptions => ({
  model: tinyGpt(),
  data: tinySequences(),
  batch: 12,
  optimizer: adamw({ lr: 3e-3 }),
  steps,
  clip: 1,
  mesh: { dp },
  strategies: [zero(options)],
  transport: memory(),
});
