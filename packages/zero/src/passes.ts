// Passes over a schedule, for stores that shard: when a stage is gathered, freed, and its gradients reduced.
// They decide when, never how: the store does the communication. ZeRO: Rajbhandari et al., 2020.
import type { Action, Op, Schedule } from "@orthant/core";

/**
 * UNSHARD before the first action of each stage, its RECV included, so that the gather overlaps the wait for the
 * neighbour; RESHARD after its last B and that one's SEND. One gather a step.
 */
export const withUnshard = (schedule: Schedule): Schedule =>
  afterBackward(schedule, "RESHARD").map((actions) =>
    actions.flatMap((action, at): Action[] => {
      const { stage } = action;
      const first = actions.findIndex((other) => other.stage === stage) === at;
      return first ? [{ stage, op: "UNSHARD" }, action] : [action];
    }),
  );

/** REDUCE_GRAD of a stage after its last B, and after that one's SEND, so that the neighbour does not wait for it. */
export const withReduceGrad = (schedule: Schedule): Schedule => afterBackward(schedule, "REDUCE_GRAD");

/** `op` once a stage, after its last B and SEND_B. */
const afterBackward = (schedule: Schedule, op: Op): Schedule =>
  schedule.map((actions) =>
    actions.flatMap((action, at): Action[] => {
      const { stage } = action;
      const last = actions.findLastIndex((other) => other.stage === stage && isBackward(other)) === at;
      return last ? [action, { stage, op }] : [action];
    }),
  );

const isBackward = ({ op }: Action): boolean => op === "B" || op === "SEND_B";
