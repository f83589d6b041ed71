// Trainings that must come out the same to the bit however long each message takes: every stage and way to gather, small buckets,
// pipelines, wires, machines. Shared by the test and by `npm run test:delays`.
import { type Mesh, memory, sgd, type TrainOptions } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { delayed, type Observed, observe, tinyGpt, tinySequences } from "@orthant/testing";
import { type ZeroOptions, zero } from "../src/index.ts";

export interface DelayCase {
  readonly mesh: Mesh;
  readonly options: ZeroOptions;
}

const small = { bucketBytes: 600 };

export const delayCases: readonly DelayCase[] = [
  { mesh: { dp: 4 }, options: { stage: 0, ...small } },
  { mesh: { dp: 2 }, options: { stage: 1, ...small, wire: "int8" } },
  { mesh: { pp: 2, dp: 2 }, options: { stage: 1, ...small } },
  { mesh: { dp: 4 }, options: { stage: 2, ...small, machine: 2 } },
  { mesh: { pp: 2, dp: 2 }, options: { stage: 2, ...small } },
  { mesh: { dp: 4 }, options: { stage: 3, ...small, prefetch: 3 } },
  { mesh: { pp: 2, dp: 2 }, options: { stage: 3, ...small, gather: "segment" } },
  { mesh: { pp: 2, dp: 2 }, options: { stage: 3, ...small, gather: "micro", wire: "bf16" } },
  { mesh: { pp: 2, dp: 2 }, options: { stage: 3, ...small, gather: "step" } },
];

export const showDelayCase = ({ mesh, options }: DelayCase): string => JSON.stringify({ ...mesh, ...options });

const training = ({ mesh, options }: DelayCase): TrainOptions => ({
  model: tinyGpt({ layers: 2 }),
  data: tinySequences(),
  batch: 16,
  micros: 2,
  optimizer: sgd({ lr: 0.03, momentum: 0.9 }),
  steps: 2,
  clip: 1,
  mesh,
  strategies: [...("pp" in mesh ? [pipeline({ schedule: "1f1b", micros: 2 })] : []), zero(options)],
});

/** Trains with every message delayed by `seed`; undelayed where that is absent. */
export const trainDelayed = (at: DelayCase, seed?: number): Promise<Observed> =>
  observe(training(at), memory(seed === undefined ? {} : { wrap: delayed(seed), stall: 30_000 }));

/** What differs from the undelayed run, in words; nothing where nothing does. */
export function delayFailures(found: Observed, expected: Observed): string[] {
  const bits = found.losses.every((loss, i) => Object.is(loss, expected.losses[i]));
  const same = found.parameters.every((pieces, rank) =>
    [...pieces].every(([name, values]) =>
      values.every((x, i) => Object.is(x, expected.parameters[rank]!.get(name)![i])),
    ),
  );
  return [
    ...(bits ? [] : [`losses ${found.losses.join(" ")}, undelayed ${expected.losses.join(" ")}`]),
    ...(same ? [] : ["parameters differ from those of the undelayed run"]),
    ...(found.leaked === 0 ? [] : [`${found.leaked} tensors were left behind`]),
  ];
}
