// The picture of a schedule for a terminal: a row a pipeline rank, a column a unit of time. Reads the simulated
// timeline; F takes one column, B two, or B one and W one; communication none. Figures of this kind: Narayanan et al., 2021, figure 4.
import type { Schedule } from "./schedule.ts";
import { isCompute, showAction } from "./schedule.ts";
import type { Slice } from "./simulate.ts";
import { simulate } from "./simulate.ts";

/**
 * Draws a schedule as `rank 0 | F0 F1 .  .  B0--- B1---`: `.` is an idle column, `-` fills the rest of an action longer than one. Where a
 * rank runs several stages the stage comes first: `2F0`. `label` names the rows. Rows longer than `width` characters are cut, with ` ...`.
 */
export function grid(schedule: Schedule, width = Number.POSITIVE_INFINITY, label = "rank"): string {
  const { timeline, total } = simulate(schedule);
  const oneStage = schedule.every((actions) => actions.every((a) => a.stage === actions[0]?.stage));
  const labelOf = ({ action }: Slice) => (oneStage ? showAction(action).replace(/^\d+/, "") : showAction(action));
  const computed = timeline.map((slices) => slices.filter(({ action }) => isCompute(action.op)));
  const cell = computed.flat().reduce((widest, slice) => Math.max(widest, labelOf(slice).length), 1);
  const nameWidth = String(timeline.length - 1).length;
  return computed
    .map((slices, rank) => `${label} ${String(rank).padStart(nameWidth)} | ${row(slices, total, cell, labelOf)}`)
    .map((line) => (line.length > width ? `${line.slice(0, Math.max(0, width - 4))} ...` : line))
    .join("\n");
}

function row(slices: readonly Slice[], total: number, cell: number, labelOf: (slice: Slice) => string): string {
  const idle = (from: number, to: number): string[] => Array.from({ length: to - from }, () => ".".padEnd(cell));
  const cells: string[] = [];
  let now = 0;
  for (const slice of slices) {
    const columns = slice.to - slice.from;
    const filler = columns > 1 ? "-" : " ";
    cells.push(...idle(now, slice.from), labelOf(slice).padEnd(columns * (cell + 1) - 1, filler));
    now = slice.to;
  }
  return [...cells, ...idle(now, total)].join(" ").trimEnd();
}
