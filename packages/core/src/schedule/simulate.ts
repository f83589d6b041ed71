// Runs a schedule against a synthetic clock: when does each action start and end, who idles, who holds how much?
// Not a performance model: sends are buffered, transfers never share bandwidth, and only F, B and W take time.
import type { Action, Schedule } from "./schedule.ts";
import { isCompute, partnerOf, showAction, stagesOf } from "./schedule.ts";

/** Durations, in any one unit of time. An array gives one duration a stage. */
export interface Clock {
  /** Forward of one micro; 1 by default. */
  readonly F?: number | readonly number[];
  /**
   * Whole backward of one micro, 2 by default: where the stage has W, B and W take half of it each. With `W` given, the
   * input half alone, 1 by default.
   */
  readonly B?: number | readonly number[];
  /** Weight half of the backward of one micro. A stage without W in the schedule takes B + W for its B. */
  readonly W?: number | readonly number[];
  /** From SEND until RECV can end; 0 by default. */
  readonly latency?: number;
}

/** An action from its start until its end. A RECV lasts as long as the rank waits. */
export interface Slice {
  readonly action: Action;
  readonly from: number;
  readonly to: number;
}

/** What `simulate` finds; times in the clock's unit. */
export interface Simulation {
  /** Actions of each rank, in order: `timeline[rank][i]`. */
  readonly timeline: readonly (readonly Slice[])[];
  /** End of the last action. */
  readonly total: number;
  /** Time without compute as a fraction of `total`, over all ranks. */
  readonly bubble: number;
  /** Most live micros of each rank, over all of its stages: a micro is live from its F until its W, or its B where it has no W. */
  readonly peak: readonly number[];
}

/**
 * Runs a schedule against a clock: each action starts as soon as its rank is free and what it needs is there. A schedule
 * without SEND and RECV runs as if the wire took no time. Throws on deadlock, naming who waits for whom.
 */
export function simulate(schedule: Schedule, clock: Clock = {}): Simulation {
  const stages = stagesOf(schedule);
  const halved = halvedStages(schedule);
  const ends = new Map<string, number>();
  const timeline = schedule.map((): Slice[] => []);
  const advance = (rank: number): boolean => {
    const done = timeline[rank]!;
    const action = schedule[rank]![done.length];
    const free = done.at(-1)?.to ?? 0;
    const ready = action && readyAt(action, free, ends, stages, clock.latency ?? 0);
    if (!action || ready === undefined) return false;
    const from = isCompute(action.op) ? ready : free;
    const to = ready + duration(action, clock, halved.has(action.stage));
    done.push({ action, from, to });
    ends.set(showAction(action), to);
    return true;
  };
  let moved = true;
  while (moved) {
    moved = false;
    for (const rank of schedule.keys()) while (advance(rank)) moved = true;
  }
  refuseDeadlock(schedule, timeline, ends, stages);
  return { timeline, ...summary(timeline), peak: timeline.map((slices) => peakOf(slices, halved)) };
}

/** Stages whose backward runs in two halves. */
const halvedStages = (schedule: Schedule): ReadonlySet<number> =>
  new Set(schedule.flatMap((actions) => actions.filter(({ op }) => op === "W").map(({ stage }) => stage)));

/** When a rank that is free at time `free` has all that `action` needs; undefined while something of it has not run. */
function readyAt(
  action: Action,
  free: number,
  ends: ReadonlyMap<string, number>,
  stages: number,
  latency: number,
): number | undefined {
  const needed = needsOf(action, stages).map((need) => ends.get(showAction(need)));
  if (needed.includes(undefined)) return undefined;
  const lag = action.op === "RECV_F" || action.op === "RECV_B" ? latency : 0;
  return needed.reduce<number>((latest, end) => Math.max(latest, (end ?? 0) + lag), free);
}

/** What must have ended before `action` can. */
function needsOf(action: Action, stages: number): Action[] {
  const { stage, op, micro = 0 } = action;
  const forward = (of: number): Action => ({ stage: of, op: "F", micro });
  const backward = (of: number): Action => ({ stage: of, op: "B", micro });
  if (op === "F") return stage > 0 ? [forward(stage - 1)] : [];
  if (op === "B") return stage < stages - 1 ? [forward(stage), backward(stage + 1)] : [forward(stage)];
  if (op === "SEND_F") return [forward(stage)];
  if (op === "W" || op === "SEND_B") return [backward(stage)];
  const partner = partnerOf(action);
  return partner ? [partner] : [];
}

function duration({ op, stage }: Action, clock: Clock, halved: boolean): number {
  const of = (part: "F" | "B" | "W", given: number | readonly number[]): number => {
    const time = typeof given === "number" ? given : given[stage];
    if (time === undefined) throw new Error(`the clock has no ${part} for stage ${stage}: give one a stage`);
    return time;
  };
  if (!isCompute(op)) return 0;
  if (op === "F") return of("F", clock.F ?? 1);
  if (clock.W === undefined) return of("B", clock.B ?? 2) / (halved ? 2 : 1);
  if (op === "W") return of("W", clock.W);
  return of("B", clock.B ?? 1) + (halved ? 0 : of("W", clock.W));
}

function refuseDeadlock(
  schedule: Schedule,
  timeline: Simulation["timeline"],
  ends: ReadonlyMap<string, number>,
  stages: number,
): void {
  const stuck = schedule.flatMap((actions, rank) => {
    const action = actions[timeline[rank]!.length];
    if (!action) return [];
    const missing = needsOf(action, stages)
      .map(showAction)
      .filter((need) => !ends.has(need));
    return [`rank ${rank} waits at ${showAction(action)} for ${missing.join(" and ")}`];
  });
  if (stuck.length > 0) throw new Error(`deadlock: ${stuck.join("; ")}`);
}

function summary(timeline: Simulation["timeline"]): { total: number; bubble: number } {
  const slices = timeline.flat();
  const total = slices.reduce((end, { to }) => Math.max(end, to), 0);
  const busy = slices.filter((s) => isCompute(s.action.op)).reduce((sum, { from, to }) => sum + to - from, 0);
  return { total, bubble: total > 0 ? 1 - busy / (total * timeline.length) : 0 };
}

function peakOf(slices: readonly Slice[], halved: ReadonlySet<number>): number {
  let live = 0;
  let peak = 0;
  for (const { action } of slices) {
    const last = halved.has(action.stage) ? "W" : "B";
    live += action.op === "F" ? 1 : action.op === last ? -1 : 0;
    peak = Math.max(peak, live);
  }
  return peak;
}
