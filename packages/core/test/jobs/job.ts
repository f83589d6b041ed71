// A small run over threads, for tests that start it as a process of its own. THROW_AT names a sample whose reading throws;
// with LATE, thread 1 never comes to `train`, or ends there where it is "ends".
import { workerData } from "node:worker_threads";
import { adamw, type Data, threads, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";

const { THROW_AT = "-1", STEPS = "3", RUN, LATE, STALL } = process.env;
if (LATE && workerData?.orthant?.thread === 1) {
  if (LATE === "ends") process.exit(0);
  console.log("late");
  await new Promise((go) => setTimeout(go, 1e6));
}
const whole = arrays({
  inputs: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  targets: [[0], [1], [1], [0]],
});
const data: Data = {
  ...whole,
  sample(index, seed) {
    if (index === Number(THROW_AT)) throw new Error(`sample ${index} is broken`);
    return whole.sample(index, seed);
  },
};

const { losses, dir, stopped } = await train({
  model: mlp({ inputs: 2, outputs: 1, layers: 2, width: 8 }),
  data,
  batch: 8,
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })],
  optimizer: adamw({ lr: 0.01 }),
  steps: Number(STEPS),
  transport: threads({ workers: 2, ...(STALL && { stall: Number(STALL) }) }),
  run: RUN ?? false,
});
console.log(JSON.stringify({ steps: losses.length, dir, stopped }));
