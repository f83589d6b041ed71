// What a rank tells while it runs, and what it leaves behind. Plain data: hosts carry it between threads.

import type { Held } from "../meter.ts";
import type { Owned } from "../params/store.ts";
import type { Verdict } from "./agree.ts";

/** One action done; times in milliseconds since the epoch. */
export interface ActionTime {
  readonly action: string;
  readonly from: number;
  readonly to: number;
}

export interface StepReport extends Verdict {
  /** Counted from 0. */
  readonly step: number;
  readonly lr: number;
  /** Of rank 0's whole step, the update included, in milliseconds. */
  readonly ms: number;
}

/** What a rank tells while it runs. All optional: a rank that nobody watches does no work for it. */
export interface RankEvents {
  /** From rank 0, after each step. The loss is per token here. */
  onStep?(report: StepReport): void;
  /** From every rank, after each step. */
  onActions?(rank: number, step: number, actions: readonly ActionTime[]): void;
  /** From every rank, before each update; the tensors are lent. */
  onGradients?(rank: number, step: number, owned: readonly Owned[]): Promise<void>;
}

/** What a rank leaves behind. */
export interface Outcome {
  readonly rank: number;
  /** The loss per token of every step. */
  readonly losses: readonly number[];
  /** The pieces it owns, by parameter name. */
  readonly pieces: ReadonlyMap<string, Float32Array>;
  /** Bytes held, each kind at its peak. */
  readonly peak: Held;
  /** Bytes sent over the whole run, by axis. */
  readonly sent: Readonly<Record<string, number>>;
}
