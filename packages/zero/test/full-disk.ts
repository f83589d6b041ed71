// What the runtime test starts under a limit on file sizes: training with optimizer state in the folder given. Prints the error.
import { argv } from "node:process";
import { adamw, memory, train } from "@orthant/core";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "../src/index.ts";

await train({
  model: tinyGpt(),
  data: tinySequences(),
  batch: 4,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 2, offload: { optimizer: "disk", folder: argv[2]! } })],
  optimizer: adamw({ lr: 1e-2 }),
  steps: 1,
  transport: memory(),
  run: false,
  quiet: true,
}).catch((cause: Error) => console.log(cause.message));
