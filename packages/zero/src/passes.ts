// A pass over a schedule, for stores that shard: when a stage is gathered and freed. It decides when, never how: the store
// does the communication. ZeRO: Rajbhandari et al., 2020.
import { type Action, afterBackward, type Schedule } from "@orthant/core";

/**
 * UNSHARD before the first action of each stage, its RECV included, so that the gather overlaps the wait for the
 * neighbour; RESHARD after its last backward and that one's SEND. One gather a step.
 */
export const withUnshard = (schedule: Schedule): Schedule =>
  afterBackward(schedule, "RESHARD").map((actions) =>
    actions.flatMap((action, at): Action[] => {
      const { stage } = action;
      const first = actions.findIndex((other) => other.stage === stage) === at;
      return first ? [{ stage, op: "UNSHARD" }, action] : [action];
    }),
  );
