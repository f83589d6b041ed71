// Runs a schedule against a synthetic clock: when does each action start and end, who idles, who holds how much?
// Not a performance model: sends are buffered, transfers never share bandwidth, and only F and B take time.
import type { Action, Schedule } from "./schedule.ts";
import { partnerOf, showAction, stagesOf } from "./schedule.ts";

/** Durations, in any one unit of time. An array gives one duration a stage. */
export interface Clock {
  /** Forward of one micro; 1 by default. */
  readonly F?: number | readonly number[];
  /** Backward of one micro; 2 by default. */
  readonly B?: number | readonly number[];
  /** From SEND until RECV can end; 0 by default. */
  readonly latency?: number;
}

/** One action, from its start until its end. A RECV lasts as long as the rank waits. */
export interface Slice {
  readonly action: Action;
  readonly from: number;
  readonly to: number;
}

export interface Simulation {
  /** `timeline[rank]`: the rank's actions, in order. */
  readonly timeline: readonly (readonly Slice[])[];
  /** End of the last action. */
  readonly total: number;
  /** Time without compute as a fraction of `total`, over all ranks. */
  readonly bubble: number;
  /** `peak[rank]`: the most micros whose F has run and whose B has not, summed over the rank's stages. */
  readonly peak: readonly number[];
}

/**
 * Starts each action as soon as its rank is free and what it needs is there. A schedule without SEND and RECV runs
 * as if the wire took no time. Throws on deadlock, naming who waits for whom.
 */
export function simulate(schedule: Schedule, clock: Clock = {}): Simulation {
  const stages = stagesOf(schedule);
  const ends = new Map<string, number>();
  const timeline = schedule.map((): Slice[] => []);
  const advance = (rank: number): boolean => {
    const done = timeline[rank]!;
    const action = schedule[rank]![done.length];
    const slice = action && run(action, done.at(-1)?.to ?? 0, ends, stages, clock);
    if (!slice) return false;
    done.push(slice);
    ends.set(showAction(slice.action), slice.to);
    return true;
  };
  let moved = true;
  while (moved) {
    moved = false;
    for (const rank of schedule.keys()) while (advance(rank)) moved = true;
  }
  refuseDeadlock(schedule, timeline, ends, stages);
  return { timeline, ...summary(timeline), peak: timeline.map(peakOf) };
}

/** The slice of `action` on a rank that is free at time `free`; undefined while something it needs has not run. */
function run(action: Action, free: number, ends: ReadonlyMap<string, number>, stages: number, clock: Clock) {
  const needed = needsOf(action, stages).map((need) => ends.get(showAction(need)));
  if (needed.includes(undefined)) return undefined;
  const lag = action.op === "RECV_F" || action.op === "RECV_B" ? (clock.latency ?? 0) : 0;
  const ready = needed.reduce<number>((latest, end) => Math.max(latest, (end ?? 0) + lag), free);
  const from = isCompute(action) ? ready : free;
  return { action, from, to: ready + duration(action, clock) };
}

/** What must have ended before `action` can. */
function needsOf(action: Action, stages: number): Action[] {
  const { stage, op, micro = 0 } = action;
  const forward = (of: number): Action => ({ stage: of, op: "F", micro });
  const backward = (of: number): Action => ({ stage: of, op: "B", micro });
  if (op === "F") return stage > 0 ? [forward(stage - 1)] : [];
  if (op === "B") return stage < stages - 1 ? [forward(stage), backward(stage + 1)] : [forward(stage)];
  if (op === "SEND_F") return [forward(stage)];
  if (op === "SEND_B") return [backward(stage)];
  const partner = partnerOf(action);
  return partner ? [partner] : [];
}

const isCompute = ({ op }: Action): boolean => op === "F" || op === "B";

function duration(action: Action, clock: Clock): number {
  if (!isCompute(action)) return 0;
  const given = action.op === "F" ? (clock.F ?? 1) : (clock.B ?? 2);
  const time = typeof given === "number" ? given : given[action.stage];
  if (time === undefined) throw new Error(`the clock has no ${action.op} for stage ${action.stage}: give one a stage`);
  return time;
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
  const busy = slices.filter((s) => isCompute(s.action)).reduce((sum, { from, to }) => sum + to - from, 0);
  return { total, bubble: total > 0 ? 1 - busy / (total * timeline.length) : 0 };
}

function peakOf(slices: readonly Slice[]): number {
  let live = 0;
  let peak = 0;
  for (const { action } of slices) {
    live += action.op === "F" ? 1 : action.op === "B" ? -1 : 0;
    peak = Math.max(peak, live);
  }
  return peak;
}
