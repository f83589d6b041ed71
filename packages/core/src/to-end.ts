// A planned run from its ranks' start to its result, with files and signals around it.
import type { Found } from "./checkpoint/folder.ts";
import type { Weights } from "./forward.ts";
import type { CommandQueue } from "./hosts/command-queue.ts";
import { RUNS } from "./hosts/continued.ts";
import { exitCodeOf, Interrupt } from "./hosts/interrupt.ts";
import { launched } from "./hosts/launched.ts";
import { runRanks } from "./hosts/run.ts";
import type { RanksJob } from "./hosts/share.ts";
import type { HeldBytes } from "./meter.ts";
import type { Evaluation } from "./params/optimizer.ts";
import { assemble } from "./plan/assemble.ts";
import type { JobOptions } from "./plan/options.ts";
import type { Plan } from "./plan/plan.ts";
import type { Outcome, RankEvents } from "./rank/events.ts";
import type { Stop } from "./rank/stop.ts";
import { openRun, type Run } from "./report/run.ts";
import type { Transport } from "./transports/transport.ts";

/** A training job that a loop drives, and what carries it. */
export interface RunOptions extends JobOptions {
  /** What carries the frames between ranks, and where ranks live: `threads()` by default. */
  readonly transport?: Transport;
}

/** Result of `train`: the losses, the weights, and how it ended. */
export interface TrainResult {
  readonly plan: Plan;
  /** Number of the first step that this call did: 0, or the steps of the checkpoint that it went on from. */
  readonly firstStep: number;
  /** Loss per token of every step that this call did. */
  readonly losses: readonly number[];
  /** What the run was evaluated to, in order. */
  readonly evaluations: readonly Evaluation[];
  /** Whole parameters, from all ranks, where `collect: true` asked for them. Elsewhere reading them throws: they stayed there. */
  readonly weights: Weights;
  /** Bytes sent over the run along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  /** Bytes each rank held, each kind at its peak. */
  readonly held: readonly HeldBytes[];
  /** Where metrics and trace are; undefined where `run` is false. */
  readonly dir: string | undefined;
  /** The signal that stopped the run before its last step; undefined where none did. */
  readonly stopped?: NodeJS.Signals | undefined;
  /**
   * True in a worker that runs the script again to come to a later call of `train` or `run`, and was told what this one came to.
   * Asked by what a script does once between two calls: prints, saves.
   */
  readonly replayed: boolean;
}

interface Beginning extends Pick<RanksJob, "options" | "plan" | "driver" | "call" | "past"> {
  /** The checkpoint that the run goes on from. */
  readonly found: Found | undefined;
  /** It was started before, and its folder is there. */
  readonly again: boolean;
}

/** Runs the ranks of this process to their end, with files and signals around them. */
export function runToEnd(begun: Beginning, transport: Transport, evaluations: readonly Evaluation[]) {
  const { options, plan: decided, found, again } = begun;
  const root = transport.ranks?.includes(0) ?? true;
  const shown = root ? options : { ...options, run: false as const, quiet: true };
  const firstStep = found?.state.step ?? 0;
  const run = openRun({ options: shown, plan: decided, out: process.stdout, root: RUNS, firstStep, again });
  const done = outcomesOf(begun, transport, run).then((outcomes) => {
    const { stopped, losses } = outcomes[0]!;
    const alone = transport.ranks === undefined || transport.ranks.length === decided.ranks.length;
    if (stopped && (root || !launched()))
      tellStopped(stopped, { steps: options.steps, done: firstStep + losses.length, alone, dir: run.dir });
    if (stopped) process.exitCode ||= exitCodeOf(stopped.signal);
    const result = { ...toResult(decided, root ? outcomes : [], run.dir), firstStep, evaluations, losses };
    if (!root || !options.collect) return withoutWeights(result);
    const pieces = outcomes.map((outcome) => outcome.pieces);
    return { ...result, weights: assemble(decided, pieces) };
  });
  return { done, run };
}

async function outcomesOf(begun: Beginning, transport: Transport, run: Run): Promise<Outcome[]> {
  const { options, plan: decided, driver, found, call, past = [] } = begun;
  const interrupt = new Interrupt(run.close);
  const events = driver ? answering(driver, run.events) : run.events;
  const folders = { into: options.checkpoint && (options.checkpoint.dir ?? run.dir), from: found?.path };
  const onBegin = () => interrupt.begin();
  const work = { options, plan: decided, driver, events, folders, stop: interrupt.stop, call, past, onBegin };
  return runRanks(transport, work).finally(() => {
    interrupt.release();
    run.close();
  });
}

/** A result whose weights stayed on their ranks: who reads them is told where they are. A copy of it has none. */
export const withoutWeights = (result: Omit<TrainResult, "weights">): TrainResult =>
  Object.defineProperty(result as TrainResult, "weights", {
    get() {
      throw new Error(
        "the parameters stayed on their ranks: collect: true brings them together at the end; else read them from the checkpoint " +
          "(orthant export, resume), or one at a time with session.parameter(name)",
      );
    },
  });

/** Hands each report to who drives the run too. */
const answering = (driver: CommandQueue, events: RankEvents): RankEvents => ({
  ...events,
  onStep(report) {
    events.onStep?.(report);
    driver.answer(report);
  },
});

/** Tells, in one line, that the run was stopped, and by what; the exit code says so too. */
function tellStopped({ signal, rank }: Stop, { steps, done, alone, dir }: StoppedRun): void {
  const to = rank === undefined || alone ? "" : ` to rank ${rank}`;
  const files = dir ? "; metrics and trace are complete" : "";
  process.stderr.write(`stopped by ${signal}${to} after step ${done} of ${steps}${files}\n`);
}

interface StoppedRun {
  readonly steps: number;
  /** Steps done. */
  readonly done: number;
  /** All ranks live in this process. */
  readonly alone: boolean;
  readonly dir: string | undefined;
}

function toResult(
  decided: Plan,
  outcomes: readonly Outcome[],
  dir: string | undefined,
): Omit<TrainResult, "firstStep" | "evaluations" | "losses" | "weights"> {
  const sent: Record<string, number> = {};
  for (const outcome of outcomes)
    for (const [axis, bytes] of Object.entries(outcome.sent)) sent[axis] = (sent[axis] ?? 0) + bytes;
  return {
    plan: decided,
    sent,
    held: outcomes.map(({ peak }) => peak),
    dir,
    ...(outcomes[0]?.stopped && { stopped: outcomes[0].stopped.signal }),
    replayed: false,
  };
}
