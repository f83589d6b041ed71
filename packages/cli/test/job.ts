// A run as small as can be, for tests that start it in processes.
import { adamw, type Data, type Mesh, type Transport, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";

const whole = arrays({
  inputs: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  targets: [[0], [1], [1], [0]],
});

export interface Job {
  readonly steps: number;
  readonly mesh: Mesh;
  /** Folder of the run; none by default. */
  readonly run?: string;
  /** Folder of its checkpoints, after every step; none by default. */
  readonly saved?: string;
  /** ms that a sample takes. */
  readonly slow?: number;
  /** A sample that throws. */
  readonly broken?: number;
  readonly transport?: Transport;
}

const pause = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export async function losses({
  steps,
  mesh,
  run,
  saved,
  slow = 0,
  broken,
  transport,
}: Job): Promise<readonly number[]> {
  const data: Data = {
    ...whole,
    sample(index, seed) {
      if (slow) pause(slow);
      if (index === broken) throw new Error(`sample ${index} is broken`);
      return whole.sample(index, seed);
    },
  };
  const result = await train({
    model: mlp({ inputs: 2, outputs: 1, layers: 2, width: 8 }),
    data,
    batch: 8,
    mesh,
    strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })],
    optimizer: adamw({ lr: 0.01 }),
    steps,
    run: run ?? false,
    ...(saved && { checkpoint: { every: 1, dir: saved } }),
    ...(transport && { transport, quiet: true }),
  });
  return result.losses;
}
