// What all ranks must agree on at the end of a step, in one small exchange: loss, gradient norm, memory, whether to stop.
// Sums run in the order of parameters, then ranks, so their bits do not depend on pipeline, schedule or ZeRO stage.
import { gather, type Members } from "../group/collectives.ts";
import type { Plan } from "../plan/plan.ts";

/** One rank's part. */
export interface Report {
  readonly stop: boolean;
  /** Most bytes held so far. */
  readonly held: number;
  /** By position in the rank's parameters: sum of squares of the gradient elements that this rank counts. */
  readonly squares: readonly number[];
  /** Loss sum of each micro; zeros where another rank reports it. */
  readonly losses: readonly number[];
}

export interface Verdict {
  readonly stop: boolean;
  /** Bytes held by the fullest rank. */
  readonly held: number;
  /** Global norm of the gradient. */
  readonly norm: number;
  /** Loss sum over the global batch. */
  readonly loss: number;
}

/** Flag and bytes, before the squares. */
const HEAD = 2;

/** Exchanges reports; every rank returns the same verdict. */
export async function agree(members: Members, plan: Plan, mine: Report, at: string): Promise<Verdict> {
  const vector = Float64Array.from([mine.stop ? 1 : 0, mine.held, ...mine.squares, ...mine.losses]);
  const all = await gather(members, vector, `world.control ${at}`);
  return {
    stop: all.some((report) => report[0] === 1),
    held: Math.max(...all.map((report) => report[1]!)),
    norm: Math.sqrt(sumSquares(plan, all)),
    loss: all.reduce((sum, report) => report.subarray(-plan.micros).reduce((s, loss) => s + loss, sum), 0),
  };
}

function sumSquares(plan: Plan, all: readonly Float64Array[]): number {
  const at = plan.ranks.map(({ params }) => new Map(params.map(({ name }, i) => [name, HEAD + i])));
  let sum = 0;
  for (const { name } of plan.specs)
    for (const [rank, places] of at.entries()) {
      const place = places.get(name);
      if (place !== undefined) sum += all[rank]![place]!;
    }
  return sum;
}
