// Commands on their way from the loop that drives a run to rank 0, and the answers back, both in order. One in the thread of the
// script; where rank 0 lives in a worker, one there too, and messages between the two.
import type { Command, Driver, Evaluated } from "../rank/commands.ts";
import type { LossSum } from "../rank/evaluation/evaluate.ts";
import type { StepReport } from "../rank/events.ts";

/** To "step" its report, to a parameter its values, to a batch its loss sum. */
export type Answer = StepReport | Float32Array | LossSum;

export class CommandQueue implements Driver {
  readonly #commands: Command[] = [];
  readonly #asked: PromiseWithResolvers<Answer | undefined>[] = [];
  #wake: (() => void) | undefined;
  #over: { readonly error?: unknown } | undefined;

  /** Resolves to the answer; undefined where the run ends before. Rejects with the run's error. */
  ask(command: Exclude<Command, "close" | Evaluated>): Promise<Answer | undefined> {
    const asked = Promise.withResolvers<Answer | undefined>();
    this.#asked.push(asked);
    this.push(command);
    if (this.#over) this.end(this.#over);
    return asked.promise;
  }

  /** Passes a command on, without an answer. */
  push(command: Command): void {
    this.#commands.push(command);
    this.#wake?.();
  }

  async next(): Promise<Command> {
    while (this.#commands.length === 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#commands.shift()!;
  }

  /** Settles the oldest question. */
  answer(answer: Answer): void {
    this.#asked.shift()?.resolve(answer);
  }

  /** Settles all questions, those to come too: the run is over, by `error` or in order. */
  end(over: { readonly error?: unknown }): void {
    this.#over = over;
    for (const { resolve, reject } of this.#asked.splice(0))
      if (over.error === undefined) resolve(undefined);
      else reject(over.error);
  }
}
