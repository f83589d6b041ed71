// Where the ranks of a run live and what carries their frames. A host starts the ranks of this process and hears from
// them; a wire connects them, in threads and across processes. `spread` makes a host of a wire.

import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { Outcome, RankEvents } from "../rank/events.ts";
import type { Endpoint } from "../transports/endpoint.ts";

export interface HostJob {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly events: RankEvents;
  /** Ask every rank to stop after the step it is in. */
  readonly stop: AbortSignal;
}

export interface Host {
  readonly name: string;
  /** What connects the ranks, where threads or processes share them. */
  readonly wire?: Wire;
  /**
   * Runs every rank of this process to its end; outcomes by rank, of all ranks in the process of rank 0. Rejects with the
   * first rank's error, all others here ended.
   */
  run(job: HostJob): Promise<Outcome[]>;
}

export interface WireJob {
  readonly plan: Plan;
  /** The ranks of each thread of this process. */
  readonly threads: readonly (readonly number[])[];
  /** What all processes must agree on, by name. */
  readonly agreed: Readonly<Record<string, string>>;
}

/** Opened once in each process, then joined by each of its threads that holds ranks. */
export interface Wire {
  readonly name: string;
  /** Ranks that live in this process; all of them where absent. */
  readonly ranks?: readonly number[];
  /** Returns plain data that can cross to a thread. Rejects in one line where the ranks cannot meet. */
  open(job: WireJob): Promise<unknown>;
  /** The endpoints, by rank, of the ranks at home on `thread`. */
  join(ticket: unknown, thread: number): ReadonlyMap<number, Endpoint>;
}

/** The ranks of this process. */
export const ranksHere = (
  { ranks }: { readonly ranks?: readonly number[] | undefined },
  plan: Plan,
): readonly number[] => ranks ?? plan.ranks.map(({ rank }) => rank);
