// The script of the parts that start processes: a small run of four ranks, or eight, with checkpoints, as its argument says. Prints the first
// step, losses with all digits, and a hash of the parameters.
import { createHash } from "node:crypto";
import { adamw, type Data, memory, type Strategy, sgd, threads, train } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";

export interface Job {
  readonly optimizer: "sgd" | "adamw";
  readonly steps: number;
  readonly every: number;
  readonly dir: string;
  readonly resume?: true | string;
  readonly async?: boolean;
  readonly keep?: number;
  /** `orthant run` decides where this is absent. */
  readonly transport?: "memory" | "threads";
  /** Eight ranks: tensor parallelism too. */
  readonly eight?: boolean;
  /** Sums travel as int8s, and what they lose goes on to the next step. */
  readonly int8?: boolean;
  /** Folder to work in. */
  readonly cwd?: string;
  /** ms that a sample takes. */
  readonly slow?: number;
  /** Says its process id, and each step with the time at which it ended. */
  readonly tell?: boolean;
}

const job = JSON.parse(process.argv[2]!) as Job;
const optimizers = { sgd: () => sgd({ lr: 0.03, momentum: 0.9 }), adamw: () => adamw({ lr: 3e-3 }) };
const transports = { memory: () => memory(), threads: () => threads({ workers: 2 }) };
const { every, dir, keep, async: background = false, slow = 0 } = job;

const pause = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const sequences = tinySequences();
const data: Data = {
  ...sequences,
  sample(index, seed) {
    if (slow) pause(slow);
    return sequences.sample(index, seed);
  },
};

/** Tells the steps that the first rank has done. */
const telling: Strategy = {
  name: "telling",
  store: (_, { rank }) => ({
    async endStep({ key, step }) {
      if (rank === 0 && !key.endsWith("restored")) console.log(`step ${step} at ${Date.now()}`);
    },
  }),
};

if (job.cwd) process.chdir(job.cwd);
if (job.tell) console.log(`pid ${process.pid}`);
const { firstStep, losses, weights } = await train({
  model: tinyGpt(),
  data,
  batch: 8,
  mesh: { pp: 2, dp: 2, ...(job.eight && { tp: 2 }) },
  strategies: [
    ...(job.eight ? [tensorParallel()] : []),
    pipeline({ schedule: "1f1b", micros: 2 }),
    zero({ stage: 3, ...(job.int8 && { wire: { reduce: "int8" } }) }),
    ...(job.tell ? [telling] : []),
  ],
  optimizer: optimizers[job.optimizer](),
  clip: 1,
  steps: job.steps,
  device: "cpu",
  run: false,
  quiet: true,
  collect: true,
  checkpoint: { every, dir, async: background, ...(keep !== undefined && { keep }) },
  ...(job.resume !== undefined && { resume: job.resume }),
  ...(job.transport && { transport: transports[job.transport]() }),
});
const hash = createHash("sha256");
for (const name of [...weights.keys()].sort()) hash.update(weights.get(name)!);
console.log(JSON.stringify({ firstStep, losses, weights: hash.digest("hex") }));
