// Passes over a schedule that concern whole stages: when something happens that follows all of a stage's backwards.
// They decide when, never how: the store and the group do the communication.
import type { Action, Op, Schedule } from "./schedule.ts";

/**
 * Adds REDUCE_GRAD to each stage that has none, after its last B or W and after that one's SEND_B, so that the neighbour
 * does not wait for the reduction.
 */
export function withReduceGrad(schedule: Schedule): Schedule {
  const reduced = new Set(schedule.flatMap((actions) => actions.filter(({ op }) => op === "REDUCE_GRAD")).map(stageOf));
  return afterBackward(schedule, "REDUCE_GRAD", (stage) => !reduced.has(stage));
}

/** Adds `op` once to each stage that `wanted` names, after its last B, W and SEND_B. All stages by default. */
export const afterBackward = (schedule: Schedule, op: Op, wanted = (_stage: number): boolean => true): Schedule =>
  schedule.map((actions) =>
    actions.flatMap((action, at): Action[] => {
      const { stage } = action;
      const last = actions.findLastIndex((other) => other.stage === stage && isBackward(other)) === at;
      return last && wanted(stage) ? [action, { stage, op }] : [action];
    }),
  );

const stageOf = ({ stage }: Action): number => stage;

const isBackward = ({ op }: Action): boolean => op === "B" || op === "W" || op === "SEND_B";
