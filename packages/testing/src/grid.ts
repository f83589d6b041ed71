// The meshes that the differential test covers, as data.
import type { Strategy } from "@orthant/core";
import { pipeline, type ScheduleName } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { type ZeroOptions, zero } from "@orthant/zero";

/** One run of the differential test: a mesh and the options of its strategies. */
export interface MeshCase {
  readonly pp: number;
  readonly dp: number;
  readonly tp: number;
  readonly schedule: ScheduleName;
  readonly stage: ZeroOptions["stage"];
  readonly gather?: "segment" | "micro" | "step";
  /** Small, so that there are several buckets; one for all by default. */
  readonly bucketBytes?: number;
  readonly recompute?: boolean;
  /** Place where the ranks live: this thread by default. */
  readonly host?: "threads";
}

/** Shows a case as `pp 2 dp 2 tp 2 1f1b  zero 3 step`. */
export function showCase({ pp, dp, tp, schedule, stage, gather, bucketBytes, recompute, host }: MeshCase): string {
  const more = [
    gather !== "segment" && gather,
    bucketBytes !== undefined && `bucket ${bucketBytes}`,
    recompute && "recompute",
    host,
  ].filter((word) => !!word);
  return [`pp ${pp} dp ${dp} tp ${tp} ${schedule.padEnd(5)} zero ${stage}`, ...more].join(" ");
}

/** Lists the strategies of a case: tensor parallelism, pipeline, ZeRO, in this order. */
export const strategiesOf = (
  { schedule, stage, gather = "segment", bucketBytes }: MeshCase,
  micros: number,
): Strategy[] => [
  tensorParallel(),
  pipeline({ schedule, micros }),
  zero({ stage, gather, ...(bucketBytes !== undefined && { bucketBytes }) }),
];

const meshes = [1, 2, 4].flatMap((pp) => [1, 2, 3].flatMap((dp) => [1, 2].map((tp) => ({ pp, dp, tp }))));

/** Product of {pp 1, 2, 4} x {dp 1, 2, 3} x {tp 1, 2} x {gpipe, 1f1b} x {zero 0, 3}: 72 cases. */
export const grid: readonly MeshCase[] = meshes.flatMap((mesh) =>
  (["gpipe", "1f1b"] as const).flatMap((schedule) => ([0, 3] as const).map((stage) => ({ ...mesh, schedule, stage }))),
);

/** Picks fewer cases that still hold every pair of settings: each one kept has a pair that those before it lack. */
export function pairwise(cases: readonly MeshCase[]): MeshCase[] {
  const seen = new Set<string>();
  return cases.filter((at) => {
    const settings = Object.entries(at).map(([name, value]) => `${name} ${value}`);
    const pairs = settings.flatMap((a, i) => settings.slice(i + 1).map((b) => `${a}, ${b}`));
    const before = seen.size;
    for (const pair of pairs) seen.add(pair);
    return seen.size > before;
  });
}

/** Copies the cases, with ranks on worker threads. */
export const onThreads = (cases: readonly MeshCase[]): MeshCase[] => cases.map((at) => ({ ...at, host: "threads" }));

const mesh = (pp: number, dp: number, tp: number) => ({ pp, dp, tp });

/** Options beside the grid: parameters gathered once a step, activations computed again. */
export const extras: readonly MeshCase[] = [
  { ...mesh(1, 2, 1), schedule: "1f1b", stage: 3, gather: "step" },
  { ...mesh(2, 2, 2), schedule: "gpipe", stage: 3, gather: "step" },
  { ...mesh(4, 3, 1), schedule: "1f1b", stage: 3, gather: "step" },
  { ...mesh(2, 2, 2), schedule: "1f1b", stage: 3, gather: "micro", bucketBytes: 1000 },
  { ...mesh(1, 3, 1), schedule: "gpipe", stage: 3, bucketBytes: 0 },
  { ...mesh(1, 2, 2), schedule: "1f1b", stage: 1 },
  { ...mesh(2, 3, 1), schedule: "gpipe", stage: 2, bucketBytes: 500 },
  { ...mesh(2, 2, 2), schedule: "1f1b", stage: 2 },
  { ...mesh(1, 3, 2), schedule: "1f1b", stage: 1, bucketBytes: 0 },
  { ...mesh(2, 1, 2), schedule: "1f1b", stage: 0, recompute: true },
  { ...mesh(2, 2, 2), schedule: "1f1b", stage: 3, recompute: true },
];
