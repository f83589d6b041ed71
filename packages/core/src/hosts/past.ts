// What a script's calls of `train` and `run` leave for who runs the script again. Types only.
import type { PlainError } from "../errors.ts";
import type { StepReport } from "../rank/events.ts";

/** What a call came to, as plain data: `Result` is what it resolved to. */
export interface PastCall<Result = unknown> {
  /** What the loop that drove it was told, in order: a step's report, an evaluation's loss. */
  readonly told: readonly (StepReport | number)[];
  readonly result?: Result;
  readonly error?: PlainError;
}

/** A call of this process. */
export interface Call {
  /** Counted from 0. */
  readonly number: number;
  /** Resolves once the calls before are over, to what they came to. */
  before(): Promise<PastCall[]>;
  /** Keeps what this one comes to. */
  ends(told: PastCall["told"], done: Promise<unknown>): void;
  /** The way to other processes, which wait for what the script does next. */
  line: Line | undefined;
}

/** The way to other processes between two calls. */
export interface Line {
  /** Tells the others what the run came to, and ends it. */
  pass(past: PastCall): Promise<void>;
  /** Waits for that; resolves to undefined where the process of rank 0 has ended. */
  wait(): Promise<PastCall | undefined>;
}
