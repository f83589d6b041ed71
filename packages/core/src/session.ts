// A run that the script's own loop drives, step by step. It drives all ranks, wherever they are: the loop runs once, in the thread
// where the script began, and ranks wait between steps for what it asks next.
import { CommandQueue } from "./hosts/command-queue.ts";
import type { Data } from "./model/model.ts";
import type { Shape } from "./model/segment.ts";
import { unknownName } from "./plan/names.ts";
import { specsByUse } from "./plan/specs.ts";
import { checkEvaluation, readBatch } from "./rank/evaluation/batches.ts";
import type { LossSum } from "./rank/evaluation/evaluate.ts";
import type { StepReport } from "./rank/events.ts";
import { ReplayedSession } from "./replay.ts";
import { type Started, start } from "./start.ts";
import type { RunOptions, TrainResult } from "./to-end.ts";

/** A whole parameter: its logical shape and its values, row-major. */
export interface ParameterValues {
  readonly shape: Shape;
  readonly values: Float32Array;
}

/** Run that the script's own loop drives. Iterate over its steps, read between them, close it at the end. */
export interface Session extends AsyncIterable<StepReport> {
  /** True in a worker that runs the script again to come to a later call: its loop is told what this one was. */
  readonly replayed: boolean;
  /**
   * Gathers a parameter as it is after the last step done: whole, in its logical shape, whatever strategies cut it and wherever
   * its pieces rest. A tied one has the names of all its uses. A copy: it stays as it is while training goes on. Throws on a
   * name that the model lacks, and once the run is over.
   */
  parameter(name: string): Promise<ParameterValues>;
  /**
   * Evaluates the model as it is after the last step done, on the mesh: forward only, with the plan of a step, nothing dropped.
   * Resolves to the loss per token of samples 0 to `samples` of `data`, which must be as the training's in shape, and be there in
   * this thread alone. Throws where `samples` is no multiple of the batch, and once the run is over.
   */
  evaluate(data: Data, samples: number): Promise<number>;
  /**
   * Ends the run where it is, and resolves to what `train` would. Call it once the loop is left; again, it does nothing more. Ranks
   * that train apart (`independent`) go on to the step after which they meet: only there are their values one.
   */
  close(): Promise<TrainResult>;
}

/**
 * Starts a run whose steps the script asks for: `for await (const step of session)`, at most `steps` of them, each begun when the
 * one before has been looked at. Resolves before the first. What a script does happens once, as with `train`. Ranks wait for the
 * loop's body as they wait for each other: one that takes longer than the transport's `stall` ends the run.
 */
export async function run(options: RunOptions): Promise<Session> {
  for (const name of ["onStep", "evaluate"])
    if (name in options) throw new Error(`run() has no option ${name}, which is train()'s: it is a loop of your own`);
  const queue = new CommandQueue();
  const started = await start(options, queue);
  if ("past" in started) return new ReplayedSession(started);
  const over = started.done.then(
    () => queue.end({}),
    (error: unknown) => queue.end({ error }),
  );
  return new OpenSession({ ...started, queue, options, over });
}

interface Opened extends Started {
  readonly queue: CommandQueue;
  readonly options: RunOptions;
  /** Resolves when the run is over, by an error too. */
  readonly over: Promise<void>;
}

class OpenSession implements Session {
  readonly replayed = false;
  readonly #opened: Opened;
  /** Steps done, those before this call too. */
  #done: number;
  #closed = false;

  constructor(opened: Opened) {
    this.#opened = opened;
    this.#done = opened.firstStep;
  }

  get #left(): number {
    return this.#opened.options.steps - this.#done;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StepReport> {
    while (this.#left > 0 && !this.#closed) {
      const report = await this.#step();
      if (!report) return; // a signal stopped the run
      yield report;
    }
  }

  async #step(): Promise<StepReport | undefined> {
    this.#done++;
    const report = (await this.#opened.queue.ask("step")) as StepReport | undefined;
    if (report) this.#opened.told.push(report);
    return report;
  }

  /** Whether all ranks have the same values now. */
  #together(): boolean {
    const { plan } = this.#opened;
    return Object.values(plan.roles.independent).every((every) => this.#done % every === 0);
  }

  async parameter(name: string): Promise<ParameterValues> {
    const { queue, plan } = this.#opened;
    const spec = specsByUse(plan.specs).get(name);
    if (!spec) throw new Error(unknownName(name, plan));
    const values = this.#closed ? undefined : await queue.ask(plan.specs.indexOf(spec));
    if (!values) throw new Error(`parameter("${name}"): ${overText}`);
    return { shape: spec.shape, values: values as Float32Array };
  }

  async evaluate(data: Data, samples: number): Promise<number> {
    const { queue, plan, options, told, evaluated } = this.#opened;
    checkEvaluation(data, samples, options);
    let [sum, terms] = [0, 0];
    let batch = readBatch(data, 0, plan.batch, options);
    for (let first = 0; first < samples; first += plan.batch) {
      const ready = await batch;
      const next = first + plan.batch;
      batch = next < samples ? readBatch(data, next, plan.batch, options) : batch;
      batch.catch(() => {}); // told when it is waited for
      const more = this.#closed ? undefined : await queue.ask({ kind: "evaluate", ...ready });
      if (more === undefined) throw new Error(`evaluate(): ${overText}`);
      sum += (more as LossSum).loss;
      terms += (more as LossSum).count;
    }
    const loss = sum / (terms || samples * data.tokens);
    queue.push({ kind: "evaluated", loss, samples });
    told.push(loss);
    evaluated({ step: this.#done - 1, loss, samples });
    return loss;
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

const overText = "the run is over; close() resolves to its weights where collect: true asked for them";
