// What a run's speed is counted in: tokens, where samples are sequences of them, else samples.
import type { JobOptions } from "../plan/options.ts";

export interface Speed {
  /** How many a step, over the whole mesh. */
  readonly count: number;
  readonly unit: "tok/s" | "samples/s";
}

/** Counts tokens where inputs are indices and a sample has several terms of the loss. */
export function speedOf({ batch, data }: Pick<JobOptions, "batch" | "data">): Speed {
  const tokens = data.input.dtype === "int32" && data.tokens > 1;
  return tokens ? { count: batch * data.tokens, unit: "tok/s" } : { count: batch, unit: "samples/s" };
}
