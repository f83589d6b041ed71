// A script whose stream yields functions, on two threads with a rank each: a line for every function that is called, with its thread.
import { appendFileSync } from "node:fs";
import { threadId } from "node:worker_threads";
import { sgd, threads, train } from "@orthant/core";
import { zero } from "@orthant/zero";
import { mlp, stream } from "../../src/index.ts";

const side = { shape: [1], dtype: "float32" } as const;
await train({
  model: mlp({ inputs: 1, outputs: 1, layers: 1, width: 4 }),
  data: stream(
    async function* () {
      for (let i = 0; ; i++)
        yield () => {
          appendFileSync(process.env.CALLS!, `${threadId} ${i}\n`);
          return { input: Float32Array.of(i / 100), target: Float32Array.of(1) };
        };
    },
    { input: side, target: side, ahead: 16 },
  ),
  batch: 8,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 0 })],
  optimizer: sgd({ lr: 0.01 }),
  steps: 6,
  transport: threads({ workers: 2 }),
  run: false,
  quiet: true,
});
