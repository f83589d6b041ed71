// A run that the script's own loop drives, step by step. It drives all ranks, wherever they are: the loop runs once, in the thread
// where the script began, and ranks wait between steps for what it asks next.
import { CommandQueue } from "./hosts/command-queue.ts";
import type { Shape } from "./model/segment.ts";
import type { Plan } from "./plan/plan.ts";
import { specsByUse } from "./plan/specs.ts";
import type { StepReport } from "./rank/events.ts";
import { start, type TrainOptions, type TrainResult } from "./train.ts";

/** A whole parameter: its logical shape and its values, row-major. */
export interface ParameterValues {
  readonly shape: Shape;
  readonly values: Float32Array;
}

/** Run that the script's own loop drives. Iterate over its steps, read between them, close it at the end. */
export interface Session extends AsyncIterable<StepReport> {
  /**
   * Gathers a parameter as it is after the last step done: whole, in its logical shape, whatever strategies cut it and wherever
   * its pieces rest. A tied one has the names of all its uses. A copy: it stays as it is while training goes on. Throws on a
   * name that the model lacks, and once the run is over.
   */
  parameter(name: string): Promise<ParameterValues>;
  /**
   * Ends the run where it is, and resolves to what `train` would. Call it once the loop is left; again, it does nothing more. Ranks
   * that train apart (`independent`) go on to the step after which they meet: only there are their values one.
   */
  close(): Promise<TrainResult>;
}

/**
 * Starts a run whose steps the script asks for: `for await (const step of session)`, at most `steps` of them, each begun when the
 * one before has been looked at. Resolves before the first. What a script does happens once, as with `train`: elsewhere this
 * call runs the ranks at home there and never resolves. Ranks wait for the loop's body as they wait for each other: one that
 * takes longer than the transport's `stall` ends the run.
 */
export async function run(options: TrainOptions): Promise<Session> {
  const queue = new CommandQueue();
  const { plan, firstStep, done } = await start(options, queue);
  const over = done.then(
    () => queue.end({}),
    (error: unknown) => queue.end({ error }),
  );
  return new OpenSession({ queue, plan, steps: Math.max(0, options.steps - firstStep), done, over });
}

interface Opened {
  readonly queue: CommandQueue;
  readonly plan: Plan;
  /** Steps that are left to do at its start. */
  readonly steps: number;
  readonly done: Promise<TrainResult>;
  /** Resolves when the run is over, by an error too. */
  readonly over: Promise<void>;
}

class OpenSession implements Session {
  readonly #opened: Opened;
  #left: number;
  #closed = false;

  constructor(opened: Opened) {
    this.#opened = opened;
    this.#left = opened.steps;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StepReport> {
    while (this.#left > 0 && !this.#closed) {
      const report = await this.#step();
      if (!report) return; // a signal stopped the run
      yield report;
    }
  }

  async #step(): Promise<StepReport | undefined> {
    this.#left--;
    return (await this.#opened.queue.ask("step")) as StepReport | undefined;
  }

  /** Whether all ranks have the same values now. */
  #together(): boolean {
    const { plan, steps } = this.#opened;
    return Object.values(plan.roles.independent).every((every) => (steps - this.#left) % every === 0);
  }

  async parameter(name: string): Promise<ParameterValues> {
    const { queue, plan } = this.#opened;
    const spec = specsByUse(plan.specs).get(name);
    if (!spec) throw new Error(unknownName(name, plan));
    const values = this.#closed ? undefined : await queue.ask(plan.specs.indexOf(spec));
    if (!values) throw new Error(`parameter("${name}"): the run is over; close() resolves to its weights`);
    return { shape: spec.shape, values: values as Float32Array };
  }

  async close(): Promise<TrainResult> {
    const { queue, done, over } = this.#opened;
    if (this.#closed) return done;
    this.#closed = true;
    while (!this.#together() && this.#left > 0) if (!(await this.#step())) break; // a signal stopped the run
    queue.push("close");
    await over;
    return done;
  }
}

function unknownName(name: string, { specs }: Plan): string {
  const names = [...specsByUse(specs).keys()];
  const near = names.toSorted((a, b) => distance(name, a) - distance(name, b)).slice(0, 3);
  return `the model has no parameter "${name}"; of its ${names.length}, these are nearest: ${near.join(", ")}`;
}

/** Fewest characters to put in, take out or replace that make `a` of `b` (Levenshtein, 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
