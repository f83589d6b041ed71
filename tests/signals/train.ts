// What every process of a case runs: a training as small as can be that writes its files and would last for minutes.
import { adamw, type Data, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { zero } from "@orthant/zero";

export interface Job {
  /** Folder of the run. */
  readonly run: string;
  readonly steps: number;
  /** ms that a sample takes; a step has two of them a rank. */
  readonly slow: number;
  /** Ranks whose process never comes to `train`. */
  readonly late?: readonly number[];
}

const job = JSON.parse(process.argv[2] ?? "{}") as Job;
const whole = arrays({
  inputs: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  targets: [[0], [1], [1], [0]],
});
let drawn = 0;
const data: Data = {
  ...whole,
  sample(index, seed) {
    drawn++;
    if (job.slow >= 1000) console.log(`${process.pid} draws ${drawn}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, job.slow);
    return whole.sample(index, seed);
  },
};

console.log(`pid ${process.pid}`);
const own = JSON.parse(process.env.ORTHANT_LAUNCH ?? '{ "ranks": [] }') as { ranks: readonly number[] };
if (job.late?.some((rank) => own.ranks.includes(rank))) await new Promise((go) => setTimeout(go, 1e6));
await train({
  model: mlp({ inputs: 2, outputs: 1, layers: 2, width: 8 }),
  data,
  batch: 4,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 3 })],
  optimizer: adamw({ lr: 0.01 }),
  steps: job.steps,
  run: job.run,
});
console.log("after train");
