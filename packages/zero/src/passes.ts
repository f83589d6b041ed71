// A pass over a schedule, for stores that shard: when a stage is gathered and freed. It decides when, never how: the store
// does the communication. ZeRO: Rajbhandari et al., 2020.
import { type Action, afterBackward, type Schedule } from "@orthant/core";

/**
 * UNSHARD before the first action of each stage, its RECV included, so that the gather overlaps the wait for the
 * neighbour; RESHARD after its last backward and that one's SEND. One gather a step. Stages that have them stay as they are.
 */
export function withUnshard(schedule: Schedule): Schedule {
  const whole = new Set(schedule.flat().flatMap(({ op, stage }) => (op === "UNSHARD" ? [stage] : [])));
  return afterBackward(schedule, "RESHARD", (stage) => !whole.has(stage)).map((actions) =>
    actions.flatMap((action, at): Action[] => {
      const { stage } = action;
      const first = !whole.has(stage) && actions.findIndex((other) => other.stage === stage) === at;
      return first ? [{ stage, op: "UNSHARD" }, action] : [action];
    }),
  );
}
