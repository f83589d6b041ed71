// What the processes of the benchmark over NATS are, and what they are told to do. Plain data, no code.

/** Plain publish and subscribe; the transport without a secret, with one, and encrypted. */
export const sides = ["raw", "open", "keyed", "encrypted"] as const;
export type Side = (typeof sides)[number];
export type Operation = "all-reduce" | "all-gather" | "round trip";

/** What a process of the benchmark is. */
export interface RankJob {
  readonly servers: string;
  readonly run: string;
  readonly rank: number;
  readonly size: number;
}

/** Answered with the ms of each of `count` times. */
export interface Command {
  readonly side: Side;
  readonly operation: Operation;
  /** Length of the tensor. */
  readonly bytes: number;
  /** Operations timed together, and how often. */
  readonly repeats: number;
  readonly count: number;
  readonly key: string;
}
