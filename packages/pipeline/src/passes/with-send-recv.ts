// Pass over a schedule that states compute only: adds the communication between stages that different ranks run.
// Messages are named, so a RECV stands just before its consumer and a SEND just after its producer.
import { type Action, rankOfStage, type Schedule, stagesOf } from "@orthant/core";

/**
 * Adds SEND and RECV around each F and B; none where a neighbour stage is on the same rank, or is not there. Adds none
 * around W, which no neighbour waits for.
 */
export function withSendRecv(schedule: Schedule): Schedule {
  const ranks = Array.from({ length: stagesOf(schedule) }, (_, stage) => rankOfStage(schedule, stage));
  return schedule.map((actions, rank) => {
    const remote = (stage: number): boolean => ranks[stage] !== undefined && ranks[stage] !== rank;
    return actions.flatMap((action) => surround(action, remote));
  });
}

function surround(action: Action, remote: (stage: number) => boolean): Action[] {
  const { stage, op } = action;
  if (op !== "F" && op !== "B") return [action];
  const [from, to] = op === "F" ? [stage - 1, stage + 1] : [stage + 1, stage - 1];
  const recv: Action[] = remote(from) ? [{ ...action, op: `RECV_${op}` }] : [];
  const send: Action[] = remote(to) ? [{ ...action, op: `SEND_${op}` }] : [];
  return [...recv, action, ...send];
}
