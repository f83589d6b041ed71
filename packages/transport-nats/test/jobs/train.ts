// One process of a run: trains the tiny GPT on eight ranks and prints its losses with every digit. JOB, as JSON, says
// which ranks live here and whether tensor-parallel ranks meet in memory. Its worker threads run it again.
import { writeSync } from "node:fs";
import { adamw, memory, routed, type Transport, threads, train } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tiny, tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";
import { nats } from "../../src/index.ts";

export interface Job {
  readonly servers: string;
  readonly run: string;
  /** None: all in one thread, without NATS. */
  readonly ranks?: readonly number[];
  readonly routed?: boolean;
}

function transportOf({ ranks, routed: apart, ...run }: Job): Transport {
  if (!ranks) return memory();
  const over = nats({ ...run, ranks, workers: 2 });
  return apart ? routed({ tp: threads(), dp: over, pp: over }, { workers: 2 }) : over;
}

const { losses, sent } = await train({
  model: tinyGpt(),
  data: tinySequences(tiny),
  batch: 16,
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })],
  optimizer: adamw({ lr: 1e-2 }),
  clip: 1,
  steps: 4,
  transport: transportOf(JSON.parse(process.env.JOB ?? "{}") as Job),
  run: false,
  quiet: true,
});
writeSync(1, `${JSON.stringify({ losses, sent })}\n`);
