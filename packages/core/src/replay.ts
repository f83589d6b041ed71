// A session whose steps were done before, in another thread or process: the loop of a script that is run again to come to a later call
// sees the same reports and evaluations, and so ends where it ended.
import { fromPlain } from "./errors.ts";
import type { StepReport } from "./rank/events.ts";
import type { Replay } from "./start.ts";
import { type TrainResult, withoutWeights } from "./to-end.ts";

/** What a call came to; throws what it threw. */
export function resultOf({ plan, past }: Replay): TrainResult {
  if (past.error) throw fromPlain(past.error);
  const result = { ...past.result!, plan, replayed: true };
  return result.weights ? result : withoutWeights(result);
}

export class ReplayedSession {
  readonly replayed = true;
  readonly #replay: Replay;
  readonly #told: (StepReport | number)[];

  constructor(replay: Replay) {
    this.#replay = replay;
    this.#told = [...replay.past.told];
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StepReport> {
    while (typeof this.#told[0] === "object") yield this.#told.shift() as StepReport;
    if (this.#told.length === 0) resultOf(this.#replay); // throws where the run failed
  }

  async evaluate(): Promise<number> {
    const loss = this.#told.shift();
    if (typeof loss === "number") return loss;
    resultOf(this.#replay);
    throw new Error(
      "this loop asks for an evaluation that it did not ask for in the first thread: it must do the same in each",
    );
  }

  parameter(name: string): Promise<never> {
    const why = `parameter("${name}"): the values that a loop reads are not kept for threads that run the script again to come to a later call`;
    return Promise.reject(new Error(`${why}: read them where session.replayed is false`));
  }

  close = async (): Promise<TrainResult> => resultOf(this.#replay);
}
