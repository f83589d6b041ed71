// What all ranks must agree on at the end of a step: loss, gradient norm, memory, whether to stop. Reports go up a tree, one
// verdict comes down: a rank sends at most 1 + log2 N messages. Sums run in the order of parameters, then ranks, so their bits
// do not depend on pipeline, schedule or ZeRO stage.
import { broadcast, gatherToFirst } from "../group/tree.ts";
import { cut, type Members } from "../group/vectors.ts";
import { messageKey, world } from "../transports/key.ts";

/** One rank's part. */
export interface Report {
  readonly stop: boolean;
  /** Most bytes held so far. */
  readonly held: number;
  /** Sum of squares of the gradient elements that this rank counts, by position in the rank's parameters. */
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

type Names = readonly { readonly name: string }[];

/** What agreeing takes of a plan. */
export interface Roll {
  /** Microbatches per step. */
  readonly micros: number;
  /** All parameters, in the order in which they are summed. */
  readonly specs: Names;
  /** By rank, the parameters that it reports on. */
  readonly ranks: readonly { readonly params: Names }[];
}

/** A rank's report, read again by the first. */
interface Heard {
  readonly params: Names;
  readonly numbers: Float64Array;
}

/** Flag and bytes, before the squares. */
const HEAD = 2;

/** Exchanges reports among `members`; every one returns the same verdict. */
export async function agree(members: Members, plan: Roll, mine: Report, at: string): Promise<Verdict> {
  const key = messageKey(world, "control", at);
  const report = Float64Array.from([mine.stop ? 1 : 0, mine.held, ...mine.squares, ...mine.losses]);
  const all = await gatherToFirst(members, report, key);
  const verdict = all && Float64Array.from(judge(plan, heard(members, plan, all)));
  const [stop, held, norm, loss] = (await broadcast(members, verdict, key)) as unknown as VerdictNumbers;
  return { stop: stop === 1, held, norm, loss };
}

type VerdictNumbers = [stop: number, held: number, norm: number, loss: number];

function heard({ ranks }: Members, plan: Roll, all: Float64Array): Heard[] {
  const sizes = ranks.map((rank) => HEAD + plan.ranks[rank]!.params.length + plan.micros);
  return cut(all, sizes).map((numbers, i) => ({ params: plan.ranks[ranks[i]!]!.params, numbers }));
}

function judge(plan: Roll, reports: readonly Heard[]): VerdictNumbers {
  const stop = reports.some(({ numbers }) => numbers[0] === 1) ? 1 : 0;
  const held = reports.reduce((most, { numbers }) => Math.max(most, numbers[1]!), 0);
  const losses = reports.map(({ numbers }) => numbers.subarray(numbers.length - plan.micros));
  const loss = losses.reduce((sum, micros) => micros.reduce((s, micro) => s + micro, sum), 0);
  return [stop, held, Math.sqrt(sumSquares(plan, reports)), loss];
}

function sumSquares(plan: Roll, reports: readonly Heard[]): number {
  const places = reports.map(({ params }) => new Map(params.map(({ name }, i) => [name, HEAD + i])));
  let sum = 0;
  for (const { name } of plan.specs)
    for (const [i, { numbers }] of reports.entries()) {
      const place = places[i]!.get(name);
      if (place !== undefined) sum += numbers[place]!;
    }
  return sum;
}
