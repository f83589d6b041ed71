// A schedule is data: for each pipeline rank, the ordered list of what it does. No tensors here.
// Printed and parsed as `0F0 0SEND_F0`: stage, op, micro. Idea: torch.distributed.pipelining.

/**
 * What a rank can do. F: forward of one micro. B: its backward. W: the weight half of its backward; B is then the input
 * half alone, the gradient of activations (Qi et al., 2024). A stage has W for all of its micros or for none. The rest
 * is communication: SEND and RECV of activations (_F) and their gradients (_B), UNSHARD, RESHARD, REDUCE_GRAD.
 */
export const ops = [
  "F",
  "B",
  "W",
  "SEND_F",
  "RECV_F",
  "SEND_B",
  "RECV_B",
  "UNSHARD",
  "RESHARD",
  "REDUCE_GRAD",
] as const;
/** One of `ops`. */
export type Op = (typeof ops)[number];

/** One thing that one rank does: an op on a stage, and on one micro where the op has one. Plain data, shown as `0F3`. */
export interface Action {
  /** Index of the stage, over the whole pipeline. */
  readonly stage: number;
  readonly op: Op;
  /** Index of the microbatch; absent for UNSHARD, RESHARD and REDUCE_GRAD, which concern the whole stage. */
  readonly micro?: number;
}

/** A list of actions a pipeline rank: `schedule[rank][i]` is the i-th action of that rank. */
export type Schedule = readonly (readonly Action[])[];

/** Gradient accumulation on one rank and one stage: `0F0 0B0 0F1 0B1 ...`. The schedule that the first strategy gets. */
export const accumulate = (micros: number): Schedule => [
  Array.from({ length: micros }, (_, micro): Action[] => [
    { stage: 0, op: "F", micro },
    { stage: 0, op: "B", micro },
  ]).flat(),
];

/** Number of stages: one more than the highest stage named; 0 for an empty schedule. */
export const stagesOf = (schedule: Schedule): number => 1 + highest(schedule.flat().map((a) => a.stage));

/** Number of microbatches: one more than the highest micro named; 0 for an empty schedule. */
export const microsOf = (schedule: Schedule): number => 1 + highest(schedule.flat().map((a) => a.micro ?? -1));

const highest = (numbers: readonly number[]): number => numbers.reduce((max, n) => Math.max(max, n), -1);

/** Finds the pipeline rank that runs `stage`. Throws where no rank does. */
export function rankOfStage(schedule: Schedule, stage: number): number {
  const rank = schedule.findIndex((actions) => actions.some((a) => a.stage === stage));
  if (rank < 0) throw new Error(`no rank runs stage ${stage}; the schedule has ${stagesOf(schedule)} stages, from 0`);
  return rank;
}

/** Tells whether `op` concerns one microbatch, not the whole stage. */
export const hasMicro = (op: Op): boolean => op !== "UNSHARD" && op !== "RESHARD" && op !== "REDUCE_GRAD";

/** Tells whether `op` is computation (F, B, W); all others are communication. */
export const isCompute = (op: Op): boolean => op === "F" || op === "B" || op === "W";

/** Names the other end of a SEND or RECV, on the neighbour stage; undefined for every other op, which has none. */
export function partnerOf({ stage, op, micro = 0 }: Action): Action | undefined {
  if (op === "SEND_F") return { stage: stage + 1, op: "RECV_F", micro };
  if (op === "RECV_F") return { stage: stage - 1, op: "SEND_F", micro };
  if (op === "SEND_B") return { stage: stage - 1, op: "RECV_B", micro };
  if (op === "RECV_B") return { stage: stage + 1, op: "SEND_B", micro };
  return undefined;
}

/** Shows an action as `0SEND_F3`: stage, op, micro. Two actions of a schedule are the same where they show the same. */
export const showAction = ({ stage, op, micro }: Action): string => `${stage}${op}${micro ?? ""}`;

/** Reads what `showAction` shows. Throws on anything else; `where` opens the message, such as `line 2, column 5: `. */
export function parseAction(text: string, where = ""): Action {
  const [, stage, name, micro] = /^(0|[1-9]\d*)([A-Z_]+)(0|[1-9]\d*)?$/.exec(text) ?? [];
  const op = ops.find((known) => known === name);
  const fail = (expected: string): Error => new Error(`${where}"${text}" is no action: expected ${expected}`);
  if (stage === undefined) throw fail("stage, op, micro, such as 0F0 or 1SEND_F0");
  if (!op) throw fail(`one of ${ops.join(" ")} after the stage, such as ${stage}F0`);
  if (!hasMicro(op) && micro !== undefined) throw fail(`no micro, as ${op} concerns the whole stage: ${stage}${op}`);
  if (!hasMicro(op)) return { stage: Number(stage), op };
  if (micro === undefined) throw fail(`a micro after ${op}, such as ${stage}${op}0`);
  return { stage: Number(stage), op, micro: Number(micro) };
}

/** Prints a line a rank, actions separated by spaces; a rank without actions is `-`. */
export const printSchedule = (schedule: Schedule): string =>
  schedule.map((actions) => actions.map(showAction).join(" ") || "-").join("\n");

/** Reads what `printSchedule` prints. Blank lines and lines that open with `#` are no ranks. Errors name line and column, from 1. */
export function parseSchedule(text: string): Schedule {
  const ranks: Action[][] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const words = line.trim() === "-" ? [] : [...line.matchAll(/\S+/g)];
    ranks.push(words.map((word) => parseAction(word[0], `line ${at + 1}, column ${word.index + 1}: `)));
  }
  return ranks;
}
