// Where the ranks of a run live and what carries their frames. A host starts every rank of a plan and hears from them.

import type { Outcome, RankEvents } from "./events.ts";
import type { TrainOptions } from "./options.ts";
import type { Plan } from "./plan.ts";

export interface HostJob {
  readonly options: TrainOptions;
  readonly plan: Plan;
  readonly events: RankEvents;
  /** Ask every rank to stop after the step it is in. */
  readonly stop: AbortSignal;
}

export interface Host {
  readonly name: string;
  /** Runs every rank to its end; their outcomes by rank. Rejects with the first rank's error, all others ended. */
  run(job: HostJob): Promise<Outcome[]>;
}
