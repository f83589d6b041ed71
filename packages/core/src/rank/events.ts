// What a rank tells while it runs, and what it leaves behind. Plain data: hosts carry it between threads.

import type { Tensor } from "@tensorflow/tfjs";
import type { HeldBytes } from "../meter.ts";
import type { Evaluation } from "../params/optimizer.ts";
import type { ParamSpec } from "../params/params.ts";
import type { Verdict } from "./agree.ts";
import type { Stop } from "./stop.ts";

/** One action done; times in milliseconds since the epoch. */
export interface ActionTime {
  readonly action: string;
  readonly from: number;
  readonly to: number;
}

/** What a step tells: loss, norm, time, bytes. */
export interface StepReport extends Verdict {
  /** Counted from 0. */
  readonly step: number;
  readonly lr: number;
  /** Milliseconds of rank 0's whole step, the update included. */
  readonly ms: number;
}

/** The reduced gradient of the piece that a rank updates; undefined where the parameter is frozen. */
export interface OwnedGradient {
  readonly spec: ParamSpec;
  readonly grad: Tensor | undefined;
}

/** What a rank tells while it runs. All optional: a rank that nobody watches does no work for it. */
export interface RankEvents {
  /** Told by rank 0, after each step. Losses are per token here. */
  onStep?(report: StepReport): void;
  /** Told by the loop that drives a run, after each evaluation. */
  onEvaluation?(evaluation: Evaluation): void;
  /** Told by every rank, after each step. */
  onActions?(rank: number, step: number, actions: readonly ActionTime[]): void;
  /** Told by every rank, before each update; the tensors are lent. */
  onGradients?(rank: number, step: number, owned: readonly OwnedGradient[]): Promise<void>;
}

/** What a rank leaves behind. */
export interface Outcome {
  readonly rank: number;
  /** Why it stopped before the last step; undefined where nobody asked. */
  readonly stopped?: Stop | undefined;
  /** The loss per token of every step. */
  readonly losses: readonly number[];
  /** The pieces it owns, by parameter name. */
  readonly pieces: ReadonlyMap<string, Float32Array>;
  /** Bytes held, each kind at its peak. */
  readonly peak: HeldBytes;
  /** Bytes sent over the whole run, by axis. */
  readonly sent: Readonly<Record<string, number>>;
}
