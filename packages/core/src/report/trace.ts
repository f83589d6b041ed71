// `trace.json`: what each rank did when, for https://ui.perfetto.dev. A track a rank, a slice an action, an arrow from each
// SEND to its RECV. Covers the first steps alone, and ends with a mark where there were more: a file that grows with the run
// would open nowhere. Format: Trace Event Format (Duvall, Sinclair et al., Google, 2016), JSON array.
import { appendFileSync, writeFileSync } from "node:fs";
import { rankOf } from "../mesh.ts";
import type { Plan } from "../plan/plan.ts";
import { showRank } from "../plan/ranks.ts";
import type { ActionTime } from "../rank/events.ts";
import { type Action, parseAction, partnerOf, stagesOf } from "../schedule/schedule.ts";

/** Steps that a trace covers: 500 steps of 8 ranks and 20 actions are 20 MB, about what a browser opens at once. */
export const TRACED_STEPS = 500;
/** Bytes after which no further step begins in a trace: many ranks reach them before the steps above. */
const TRACED_BYTES = 64 * 2 ** 20;

/**
 * Event of the trace format: M names a track, X is a slice, s and f are ends of an arrow, i is a mark; `ts` and `dur` in
 * microseconds.
 */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "M" | "X" | "s" | "f" | "i";
  readonly pid: 0;
  readonly tid: number;
  readonly [key: string]: unknown;
}

/** Gives each rank a track, with its name and in order of ranks. */
export const trackEvents = (plan: Plan): TraceEvent[] =>
  plan.ranks.flatMap((self): TraceEvent[] => [
    { name: "thread_name", ph: "M", pid: 0, tid: self.rank, args: { name: showRank(self) } },
    { name: "thread_sort_index", ph: "M", pid: 0, tid: self.rank, args: { sort_index: self.rank } },
  ]);

/** Converts to microseconds after `start` (milliseconds), to the nanosecond: rounding both ends keeps slices apart. */
const micros = (time: number, start: number): number => Math.round((time - start) * 1e6) / 1e3;

/** Numbers the messages of a run: a SEND and its RECV have the same. A whole number, as viewers want it. */
function messageId(plan: Plan, step: number, rank: number, action: Action): number {
  const { stage, op, micro = 0 } = action.op.startsWith("SEND") ? action : partnerOf(action)!;
  const { layers = "" } = plan.roles;
  const column = rankOf(plan.mesh, { ...plan.ranks[rank]!.coords, [layers]: 0 }); // SEND and RECV differ in the stage alone
  const direction = op === "SEND_F" ? 0 : 1;
  const place = ((step * 2 + direction) * stagesOf(plan.schedule) + stage) * plan.micros + micro;
  return place * plan.ranks.length + column;
}

/** Makes the slices of one step of one rank, each with the arrow that starts or ends in it. `start` in milliseconds. */
export function actionEvents(
  plan: Plan,
  rank: number,
  step: number,
  actions: readonly ActionTime[],
  start: number,
): TraceEvent[] {
  return actions.flatMap(({ action: name, from, to }): TraceEvent[] => {
    const action = parseAction(name);
    const ts = micros(from, start);
    const end = micros(to, start);
    const at = { pid: 0, tid: rank } as const;
    const dur = Math.round((end - ts) * 1e3) / 1e3;
    const slice: TraceEvent = { name, ph: "X", ...at, cat: action.op, ts, dur, args: { step } };
    if (!partnerOf(action)) return [slice];
    const arrow = { name: "message", ...at, cat: "message", id: messageId(plan, step, rank, action) };
    if (action.op.startsWith("SEND")) return [slice, { ...arrow, ph: "s", ts }];
    return [slice, { ...arrow, ph: "f", bp: "e", ts: Math.max(ts, end - 0.001) }]; // inside the slice, after the SEND
  });
}

/** A trace file that is open. */
export interface Trace {
  /** Appends the actions of one step of one rank. */
  actions(rank: number, step: number, actions: readonly ActionTime[]): void;
  /** Completes the JSON; call it any number of times. */
  close(): void;
}

/** Marks where a trace ends before its run. `ts` in microseconds. */
const endMark = (steps: number, ts: number): TraceEvent => ({
  name: `the trace ends here: it covers the first ${steps} steps`,
  ph: "i",
  s: "g",
  pid: 0,
  tid: 0,
  ts,
});

/**
 * Writes events to the file at `path` as they come, one a line: a file without its end still opens in Perfetto. Takes
 * whole steps, `TRACED_STEPS` at most, and none that begins after `bytes` are written.
 */
export function trace(path: string, plan: Plan, start: number, bytes = TRACED_BYTES): Trace {
  let open = true;
  let written = 0;
  /** Steps that it takes, those begun so far, and ms of the last slice. */
  let [steps, begun, end] = [TRACED_STEPS, 0, start];
  let more = false;
  const write = (text: string): void => {
    appendFileSync(path, text);
    written += text.length;
  };
  const lines = (events: readonly TraceEvent[]) => events.map((event) => JSON.stringify(event)).join(",\n");
  writeFileSync(path, `[\n${lines(trackEvents(plan))}`);
  return {
    actions(rank, step, actions) {
      if (written >= bytes) steps = Math.min(steps, begun);
      more ||= step >= steps;
      if (!open || step >= steps || !actions.length) return;
      begun = Math.max(begun, step + 1);
      end = Math.max(end, actions.at(-1)!.to);
      write(`,\n${lines(actionEvents(plan, rank, step, actions, start))}`);
    },
    close() {
      if (open) write(`${more ? `,\n${lines([endMark(steps, micros(end, start))])}` : ""}\n]\n`);
      open = false;
    },
  };
}
