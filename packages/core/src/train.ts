// The one call: a loop over a session's steps, with an evaluation where one is due. Where nobody looks, ranks step by themselves.
import type { Data } from "./model/model.ts";
import { checkEvaluation } from "./rank/evaluation/batches.ts";
import type { StepReport } from "./rank/events.ts";
import { resultOf } from "./replay.ts";
import { run, type Session } from "./session.ts";
import { start } from "./start.ts";
import type { RunOptions, TrainResult } from "./to-end.ts";

/** What `train` evaluates as it goes: which data, how often, how much of it. */
export interface EvaluateOptions {
  readonly data: Data;
  /** Steps from one evaluation to the next; the last step is followed by one too. */
  readonly every: number;
  /** Samples of `data`, from its first on: a multiple of the batch. */
  readonly samples: number;
}

/** A step as `onStep` is told of it. */
export interface TrainStep extends StepReport {
  /** Loss per token of the evaluation after this step; undefined where there was none. */
  readonly evaluation: number | undefined;
}

/** A training job, and what carries it. */
export interface TrainOptions extends RunOptions {
  /** Evaluates as the run goes, on the mesh, forward only. No evaluation where this is absent. */
  readonly evaluate?: EvaluateOptions;
  /** Told of each step once it is done, and waited for; `false` ends the run there. */
  readonly onStep?: (step: TrainStep) => unknown;
}

/**
 * Trains `model` and resolves when the last step is done. The first error of any rank rejects, all other ranks ended. What
 * a script does after its last call happens once: in a worker thread, or a process without rank 0, this resolves only where the
 * script makes another call, and `replayed` is true there.
 *
 * SIGINT (Ctrl-C), SIGTERM and SIGHUP to any process of the run stop all ranks after their step: it resolves with what was
 * trained, `stopped` names the signal, and the exit code will be 130, 143 or 129 unless the script sets another.
 */
export async function train({ evaluate, onStep, ...options }: TrainOptions): Promise<TrainResult> {
  if (evaluate) checkOften(evaluate, options);
  if (evaluate || onStep) return looped(await run(options), options.steps, { evaluate, onStep });
  const started = await start(options);
  return "past" in started ? resultOf(started) : started.done;
}

function checkOften({ data, every, samples }: EvaluateOptions, options: RunOptions): void {
  checkEvaluation(data, samples, options);
  if (!Number.isInteger(every) || every < 1)
    throw new Error(`evaluate.every is ${every}; it must be a whole number of steps from 1`);
}

async function looped(
  session: Session,
  steps: number,
  { evaluate, onStep }: { evaluate: EvaluateOptions | undefined; onStep: TrainOptions["onStep"] },
): Promise<TrainResult> {
  try {
    for await (const report of session) {
      const done = report.step + 1;
      const due = evaluate && (done % evaluate.every === 0 || done === steps);
      const evaluation = due ? await session.evaluate(evaluate.data, evaluate.samples) : undefined;
      if ((await onStep?.({ ...report, evaluation })) === false) break;
    }
  } catch (error) {
    await session.close().catch(() => {}); // the first error is the one to tell
    throw error;
  }
  return session.close();
}
