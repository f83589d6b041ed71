// One training run for `cpu.ts`, in a process of its own: DP ranks on as many threads, the same global batch. Prints the
// milliseconds of each step as JSON.

import { isMainThread } from "node:worker_threads";
import { adamw, plan, threads, train } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { zero } from "@orthant/zero";
import { benchModel } from "./cpu-model.ts";

const dp = Number(process.env.DP ?? 1);
const { model, data, batch } = benchModel();
const options = {
  model,
  data,
  batch,
  mesh: { dp },
  strategies: [zero({ stage: 0 })],
  optimizer: adamw({ lr: 1e-3 }),
  steps: 7,
  run: false as const,
  quiet: true,
};
if (!isMainThread) await train(options);
const ms: number[] = [];
const events = { onStep: (report: { ms: number }) => void ms.push(report.ms) };
const stop = new AbortController().signal;
const transport = threads({ workers: dp, script: import.meta.filename });
await runRanks(transport, { options, plan: await plan(options), events, stop });
console.log(JSON.stringify(ms));
