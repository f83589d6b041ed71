// What ranks must agree on at the end of a step: loss, gradient norm, memory, whether to stop. Reports go up a tree, one
// verdict comes down: a rank sends at most 1 + log2 N messages. Sums run in the order of parameters, then ranks, so their bits
// do not depend on pipeline, schedule or ZeRO stage.
import { broadcast, gatherToFirst } from "../group/tree.ts";
import { cut, type Members } from "../group/vectors.ts";
import type { Coords } from "../mesh.ts";
import type { Roles } from "../plan/roles.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { messageKey, world } from "../transports/key.ts";
import { mergeStops } from "./stop.ts";

/** One rank's part. */
export interface Report {
  /** 0 to go on, else why to stop after this step, as `stopCode` writes it. */
  readonly stop: number;
  /** Most bytes held so far. */
  readonly held: number;
  /** Bytes that the device says it holds, this rank's share of them; 0 where it does not say. */
  readonly device?: number;
  /** Sum of squares of the gradient elements that this rank counts, by position in the rank's parameters. */
  readonly squares: readonly number[];
  /** Loss sum of each micro; zeros where another rank reports it. */
  readonly losses: readonly number[];
  /** Terms of each, where the model counts them; else zeros. */
  readonly counts: readonly number[];
  /** Sums of the auxiliary losses, micro by micro, in the order of the plan's names. */
  readonly auxiliary: readonly number[];
}

export interface Verdict {
  /** 0 to go on, else why all stop after this step. */
  readonly stop: number;
  /** Bytes held by the fullest rank, by our count. */
  readonly held: number;
  /** Bytes that the device of the fullest rank says it holds for it; 0 where it does not say. */
  readonly device: number;
  /** Global norm of the gradient. */
  readonly norm: number;
  /** Loss sum over the global batch. */
  readonly loss: number;
  /** Terms that it is a sum of, where the model counts them; else 0. */
  readonly count: number;
  /** Auxiliary losses by name, summed likewise. */
  readonly auxiliary: Readonly<Record<string, number>>;
}

type Names = readonly { readonly name: string }[];

/** What agreeing takes of a plan. */
export interface Roll {
  /** Microbatches per step. */
  readonly micros: number;
  /** Names of the auxiliary losses. */
  readonly losses: readonly string[];
  /** All parameters, in the order in which they are summed. */
  readonly specs: Names;
  readonly roles: Pick<Roles, "independent">;
  /** Every rank, with the parameters that it reports on. */
  readonly ranks: readonly { readonly rank: number; readonly coords: Coords; readonly params: Names }[];
}

/** A rank's report, read again by the first. */
interface Heard {
  readonly params: Names;
  readonly squares: Float64Array;
  readonly losses: Float64Array;
  readonly counts: Float64Array;
  readonly auxiliary: Float64Array;
  readonly stop: number;
  readonly held: number;
  readonly device: number;
}

/** Stop, bytes and the device's, before the squares. */
const HEAD = 3;

type Six = [number, number, number, number, number, number];

const sumOf = (lists: readonly Float64Array[]): number =>
  lists.reduce((sum, list) => list.reduce((s, value) => s + value, sum), 0);

/** What one rank agrees with: those that share its loss, which are all, but where a strategy makes its axis independent. */
export class Agreement {
  readonly #plan: Roll;
  readonly #island: Members;
  readonly #world: Members;

  constructor(plan: Roll, endpoint: Endpoint) {
    const all = plan.ranks.map(({ rank }) => rank);
    const apart = Object.keys(plan.roles.independent);
    const mine = plan.ranks[endpoint.rank]!.coords;
    const island = plan.ranks.filter(({ coords }) => apart.every((axis) => coords[axis] === mine[axis]));
    const ranks = island.map(({ rank }) => rank);
    this.#plan = plan;
    this.#world = { endpoint, ranks: all, at: endpoint.rank };
    this.#island = { endpoint, ranks, at: ranks.indexOf(endpoint.rank) };
  }

  /** Islands of ranks that share a loss. */
  get islands(): number {
    return this.#world.ranks.length / this.#island.ranks.length;
  }

  /** Exchanges reports; every member of an island returns the same verdict. Islands stop together, where they meet. */
  async reach(mine: Report, step: number): Promise<Verdict> {
    const key = messageKey(world, "control", `step ${step}`);
    const { stop, held, device = 0, squares, losses, counts, auxiliary } = mine;
    const report = Float64Array.from([stop, held, device, ...squares, ...losses, ...counts, ...auxiliary]);
    const all = await gatherToFirst(this.#island, report, key);
    const verdict = all && Float64Array.from(judge(this.#plan, this.#heard(all)));
    const numbers = await broadcast(this.#island, verdict, key);
    const [stopped, most, onDevice, norm, loss, count, ...sums] = numbers as unknown as [...Six, ...number[]];
    const named = this.#plan.losses.map((name, i) => [name, sums[i]!] as const);
    const ends = await this.#stopsHere(stopped, step);
    return { stop: ends, held: most, device: onDevice, norm, loss, count, auxiliary: Object.fromEntries(named) };
  }

  #heard(all: Float64Array): Heard[] {
    const { ranks, micros, losses } = this.#plan;
    const members = this.#island.ranks.map((rank) => ranks[rank]!);
    const sizes = members.map(({ params }) => HEAD + params.length + micros * (2 + losses.length));
    return cut(all, sizes).map((numbers, i) => {
      const end = HEAD + members[i]!.params.length;
      return {
        params: members[i]!.params,
        stop: numbers[0]!,
        held: numbers[1]!,
        device: numbers[2]!,
        squares: numbers.subarray(HEAD, end),
        losses: numbers.subarray(end, end + micros),
        counts: numbers.subarray(end + micros, end + 2 * micros),
        auxiliary: numbers.subarray(end + 2 * micros),
      };
    });
  }

  async #stopsHere(stop: number, step: number): Promise<number> {
    const meetings = Object.values(this.#plan.roles.independent);
    if (meetings.length === 0) return stop;
    if (meetings.some((every) => (step + 1) % every !== 0)) return 0;
    const key = messageKey(world, "stop", `step ${step}`);
    const all = await gatherToFirst(this.#world, Float64Array.of(stop), key);
    return (await broadcast(this.#world, all && Float64Array.of(mergeStops([...all])), key))[0]!;
  }
}

/** Stop, bytes, the device's, norm, loss and its terms, then the auxiliary losses. */
function judge(plan: Roll, reports: readonly Heard[]): number[] {
  const { micros, losses: names } = plan;
  const auxiliary = names.map((_, i) => sumOf(reports.map((r) => r.auxiliary.subarray(i * micros, (i + 1) * micros))));
  return [
    mergeStops(reports.map(({ stop }) => stop)),
    Math.max(0, ...reports.map(({ held }) => held)),
    Math.max(0, ...reports.map(({ device }) => device)),
    Math.sqrt(sumSquares(plan, reports)),
    sumOf(reports.map(({ losses }) => losses)),
    sumOf(reports.map(({ counts }) => counts)),
    ...auxiliary,
  ];
}

function sumSquares(plan: Roll, reports: readonly Heard[]): number {
  const places = reports.map(({ params }) => new Map(params.map(({ name }, i) => [name, i])));
  let sum = 0;
  for (const { name } of plan.specs)
    for (const [i, { squares }] of reports.entries()) {
      const place = places[i]!.get(name);
      if (place !== undefined) sum += squares[place]!;
    }
  return sum;
}
