// The errors that end a run, as classes: who must know which rank failed, in which step and action, or why a wait ended,
// reads fields, never text. And any error as plain data, for threads and processes. Knows no tensor and no transport.

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Rank that failed, and what it was doing. */
export interface FailedRank {
  readonly rank: number;
  /** The step it was in, counted from 0. */
  readonly step?: number | undefined;
  /** The action it was in, as schedules print it: `0F1`. */
  readonly action?: string | undefined;
  /** The rank as the message names it, with its place in the mesh, say: `rank 3` by default. */
  readonly who?: string;
}

/** A rank failed; `cause` is what it threw. */
export class RankError extends Error {
  override readonly name = "RankError";
  readonly rank: number;
  readonly step: number | undefined;
  readonly action: string | undefined;

  constructor({ rank, step, action, who = `rank ${rank}` }: FailedRank, cause: unknown) {
    const at = [step !== undefined && `step ${step}`, action !== undefined && `action ${action}`].filter(Boolean);
    super(`${who} failed${at.length ? ` at ${at.join(", ")}` : ""}: ${messageOf(cause)}`, { cause });
    this.rank = rank;
    this.step = step;
    this.action = action;
  }
}

/** One wait of a rank, for the message `key`: that `from` sends it, or that `to` has room for it. */
export interface WaitingRank {
  readonly rank: number;
  readonly from?: number;
  readonly to?: number;
  readonly key: string;
}

/** A wait took longer than it may: `waits[0]`, before all others that its thread knew of. */
export class StallError extends Error {
  override readonly name = "StallError";
  readonly waits: readonly WaitingRank[];

  constructor(message: string, waits: readonly WaitingRank[], cause?: Error) {
    super(message, cause && { cause });
    this.waits = waits;
  }
}

/** `rank` is closed: it neither sends nor receives any more. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";
  readonly rank: number;

  constructor(rank: number, message = `rank ${rank} is closed`) {
    super(message);
    this.rank = rank;
  }
}

/** `rank` is gone, and the run with it: it failed, was killed, fell silent. `cause` is its own error, where it told one. */
export class LostRankError extends Error {
  override readonly name = "LostRankError";
  readonly rank: number;
  readonly reason: string;

  /** `waiting` says in the message what was waited for meanwhile. */
  constructor(
    { rank, reason, waiting }: { readonly rank: number; readonly reason: string; readonly waiting?: string },
    cause?: unknown,
  ) {
    super(waiting ? `${reason}; ${waiting}` : reason, cause === undefined ? {} : { cause });
    this.rank = rank;
    this.reason = reason;
  }
}

/** The classes above, and the fields that each adds. */
const classes: Readonly<Record<string, { readonly prototype: Error; readonly fields: readonly string[] }>> = {
  RankError: { prototype: RankError.prototype, fields: ["rank", "step", "action"] },
  StallError: { prototype: StallError.prototype, fields: ["waits"] },
  ClosedError: { prototype: ClosedError.prototype, fields: ["rank"] },
  LostRankError: { prototype: LostRankError.prototype, fields: ["rank", "reason"] },
};

/** Whether `error` says all in its message: it is of a class above, or a plain `Error`. */
export const saysAll = ({ name }: Error): boolean => name === "Error" || Object.hasOwn(classes, name);

/** An error as JSON, or a message between threads, can carry it. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** Those of the class. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: PlainError | undefined;
}

const fieldsOf = (name: string): readonly string[] => (Object.hasOwn(classes, name) ? classes[name]!.fields : []);

/** Takes an error apart, its causes too. Anything else that was thrown becomes an `Error` of its text. */
export function toPlain(thrown: unknown): PlainError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, cause } = error;
  const fields = Object.fromEntries(fieldsOf(name).map((field) => [field, Reflect.get(error, field)]));
  return { name, message, stack, fields, ...(cause !== undefined && { cause: toPlain(cause) }) };
}

/** Puts an error together again: an instance of its class where that is one of the above, else an `Error` of that name. */
export function fromPlain({ name, message, stack, fields, cause }: PlainError): Error {
  const error = new Error(message, cause && { cause: fromPlain(cause) });
  if (Object.hasOwn(classes, name)) Object.setPrototypeOf(error, classes[name]!.prototype);
  for (const field of fieldsOf(name)) Object.assign(error, { [field]: fields[field] });
  const described = { name, stack: stack ?? `${name}: ${message}` };
  for (const [field, value] of Object.entries(described))
    Object.defineProperty(error, field, { value, configurable: true, writable: true });
  return error;
}
