// What every rank of the soak runs: a tiny model over a mesh of eight, and now and then a line on the memory that its
// process holds and the time that it computed. Without a launcher all ranks run in this thread, as the reference.
import { adamw, memory, type Optimizer, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";

export interface Job {
  readonly steps: number;
  /** Folder of the run; none where undefined. */
  readonly run?: string;
  /** Steps between two looks at memory. */
  readonly look: number;
}

const job = JSON.parse(process.argv[2] ?? "{}") as Job;

/** Says, before the first update of some steps, what this process holds, in bytes, and computed so far, in ms. */
function watched(inner: Optimizer): Optimizer {
  let said = -1;
  return {
    ...inner,
    update(value, grad, slots, context) {
      const { step } = context;
      const { user, system } = process.cpuUsage();
      if (step !== said && step % job.look === 0) gc?.();
      if (step !== said && step % job.look === 0)
        console.log(`step ${step} holds ${process.memoryUsage().rss} after ${(user + system) / 1000}`);
      said = step;
      return inner.update(value, grad, slots, context);
    },
  };
}

const inputs = [0, 1].flatMap((a) => [0, 1].map((b) => [a, b]));
const { losses } = await train({
  model: mlp({ inputs: 2, outputs: 1, layers: 2, width: 8 }),
  data: arrays({ inputs, targets: inputs.map(([a = 0, b = 0]) => [a ^ b]) }),
  batch: 8,
  mesh: { pp: 2, dp: 4 },
  strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3, gather: "step" })],
  optimizer: watched(adamw({ lr: 0.001 })),
  steps: job.steps,
  clip: 1,
  run: job.run ?? false,
  transport: memory(), // the launcher's instead, where there is one
  quiet: true,
});
console.log(`losses ${JSON.stringify(losses)}`);
