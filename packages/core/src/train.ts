// The one call: plan, start the ranks, tell what happens, hand back losses and weights.
import { workerData } from "node:worker_threads";
import { assemble } from "./assemble.ts";
import type { Outcome } from "./events.ts";
import type { Weights } from "./forward.ts";
import { serveThread, type ThreadTicket, threads } from "./hosts/threads.ts";
import type { Held } from "./meter.ts";
import type { TrainOptions } from "./options.ts";
import { type Plan, plan } from "./plan.ts";
import { openRun } from "./report/run.ts";

export interface TrainResult {
  readonly plan: Plan;
  /** Loss per token of every step. */
  readonly losses: readonly number[];
  /** Whole parameters, from all ranks. */
  readonly weights: Weights;
  /** Bytes sent over the run along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  /** Bytes each rank held, each kind at its peak. */
  readonly held: readonly Held[];
  /** Where metrics and trace are; undefined where `run` is false. */
  readonly dir: string | undefined;
}

/** Set by `orthant plan`: takes the options instead of training. */
type Intercept = (options: TrainOptions) => Promise<void>;
const intercept = (): Intercept | undefined =>
  (globalThis as { [key: symbol]: Intercept | undefined })[Symbol.for("orthant.intercept")];

const never = new Promise<never>(() => {});

/**
 * Trains `model` and resolves when the last step is done, or the step in which the user pressed Ctrl-C. The first error of
 * any rank rejects, all other ranks ended. In a worker thread that `threads()` started this call runs the ranks of that
 * thread and never resolves, so what a script does after training happens once.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const taken = intercept();
  if (taken) return taken(options).then(() => never);
  const decided = await plan(options);
  const ticket = (workerData as { orthant?: ThreadTicket } | null)?.orthant;
  if (ticket) return serveThread(options, decided, ticket).then(() => never);
  const run = openRun({ options, plan: decided, out: process.stdout });
  try {
    const { signal: stop, release } = onInterrupt();
    const host = options.transport ?? threads();
    const outcomes = await host.run({ options, plan: decided, events: run.events, stop }).finally(release);
    return toResult(decided, outcomes, run.dir);
  } finally {
    run.close();
  }
}

/** First Ctrl-C (or SIGTERM): stop after this step. A second one ends the process as it would have without us. */
function onInterrupt(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const release = () => {
    for (const name of signals) process.off(name, heard);
  };
  const heard = () => {
    controller.abort();
    release();
  };
  for (const name of signals) process.on(name, heard);
  return { signal: controller.signal, release };
}

function toResult(decided: Plan, outcomes: readonly Outcome[], dir: string | undefined): TrainResult {
  const sent: Record<string, number> = {};
  for (const outcome of outcomes)
    for (const [axis, bytes] of Object.entries(outcome.sent)) sent[axis] = (sent[axis] ?? 0) + bytes;
  return {
    plan: decided,
    losses: outcomes[0]!.losses,
    weights: assemble(
      decided,
      outcomes.map(({ pieces }) => pieces),
    ),
    sent,
    held: outcomes.map(({ peak }) => peak),
    dir,
  };
}
