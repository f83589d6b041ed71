// What one rank reports at the end of a step: the losses that it says, the squares of the gradient elements that it counts.
import { bytesOnDevice } from "../devices/read.ts";
import type { Meter } from "../meter.ts";
import type { Gradients } from "../params/gradients.ts";
import { keptSize, type ParamSpec, pieceOf } from "../params/params.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import { countedRange, saysLoss } from "../plan/roles.ts";
import type { Report, Verdict } from "./agree.ts";
import type { MicroLoss } from "./execute.ts";
import { stopCode } from "./stop.ts";
import { placesOf } from "./ties.ts";
import { gradientSquares } from "./updates.ts";

/** Flat range, of the elements that a rank has of each of its parameters, that it counts. */
export type Ranges = ReadonlyMap<ParamSpec, readonly [from: number, to: number]>;

export interface ReportParts {
  readonly plan: Plan;
  readonly self: RankPlan;
  /** What it counts in the global norm, as `countedRanges` has it. */
  readonly ranges: Ranges;
  readonly gradients: Gradients;
  readonly meter: Meter;
  readonly micros: ReadonlyMap<number, MicroLoss>;
  /** Ranks that share this thread's device. */
  readonly sharing: number;
  /** Number of the signal that told this rank to stop; 0 where none did. */
  readonly signal: number;
}

/** Makes the report of a rank whose reductions are done. */
export async function reportOf({
  plan,
  self,
  ranges,
  gradients,
  meter,
  micros,
  sharing,
  signal,
}: ReportParts): Promise<Report> {
  const says = saysLoss(plan.roles, self.coords);
  const each = (of: (m: MicroLoss | undefined) => number) =>
    Array.from({ length: plan.micros }, (_, m) => of(says ? micros.get(m) : undefined));
  return {
    stop: stopCode(self.rank, signal),
    held: meter.peakTotal,
    device: bytesOnDevice() / sharing,
    squares: await gradientSquares(self.params, gradients, (spec) => ranges.get(spec)!),
    losses: each((m) => m?.loss ?? 0),
    counts: each((m) => m?.count ?? 0),
    auxiliary: plan.losses.flatMap((name) => each((m) => m?.auxiliary.get(name) ?? 0)),
  };
}

/**
 * The verdict with losses per token, and the norm of that loss's gradient: `tokens` are those of a step among the ranks that share a
 * loss, by which gradients were divided already; where the model counts terms, those are what counts.
 */
export function perToken(verdict: Verdict, tokens: number): Verdict {
  const terms = verdict.count || tokens;
  const auxiliary = Object.entries(verdict.auxiliary).map(([name, sum]) => [name, sum / terms]);
  const norm = verdict.norm * (tokens / terms);
  return { ...verdict, norm, loss: verdict.loss / terms, auxiliary: Object.fromEntries(auxiliary) };
}

/** The ranges of a rank: the same in every step. */
export const countedRanges = (plan: Plan, self: RankPlan): Ranges =>
  new Map(self.params.map((spec) => [spec, countedBy(spec, plan, self)]));

function countedBy(spec: ParamSpec, plan: Plan, { coords }: RankPlan): readonly [from: number, to: number] {
  if (spec.average !== undefined) return [0, 0];
  const piece = pieceOf(spec);
  const kept = keptSize(piece, plan.mesh, coords);
  return countedRange(piece, plan.roles, plan.mesh, coords, { kept, holder: Math.min(...placesOf(spec, plan)) });
}
