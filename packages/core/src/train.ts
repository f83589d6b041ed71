// The one call: plan, start the ranks, tell what happens, hand back losses and weights.
import { workerData } from "node:worker_threads";
import type { Found } from "./checkpoint/folder.ts";
import type { Weights } from "./forward.ts";
import type { CommandQueue } from "./hosts/command-queue.ts";
import { checkRestarts, findResumed, RUNS } from "./hosts/continued.ts";
import { exitCodeOf, Interrupt } from "./hosts/interrupt.ts";
import { runRanks } from "./hosts/run.ts";
import type { RanksJob } from "./hosts/share.ts";
import { serveThread, type ThreadTicket } from "./hosts/worker.ts";
import type { HeldBytes } from "./meter.ts";
import { assemble } from "./plan/assemble.ts";
import type { JobOptions } from "./plan/options.ts";
import { type Plan, plan } from "./plan/plan.ts";
import type { Outcome, RankEvents } from "./rank/events.ts";
import type { Stop } from "./rank/stop.ts";
import { openRun } from "./report/run.ts";
import { threads } from "./transports/threads/threads.ts";
import type { Transport } from "./transports/transport.ts";

/** A training job, and what carries it. */
export interface TrainOptions extends JobOptions {
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
  /** Whole parameters, from all ranks. */
  readonly weights: Weights;
  /** Bytes sent over the run along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  /** Bytes each rank held, each kind at its peak. */
  readonly held: readonly HeldBytes[];
  /** Where metrics and trace are; undefined where `run` is false. */
  readonly dir: string | undefined;
  /** The signal that stopped the run before its last step; undefined where none did. */
  readonly stopped?: NodeJS.Signals | undefined;
}

/** What the command line leaves for `train`, whichever copy of the library the script has. */
type Shelf = { readonly [name: symbol]: unknown };
/** Set by `orthant plan`: takes the options instead of training. */
type Intercept = (options: TrainOptions) => Promise<void>;
const intercept = () => (globalThis as Shelf)[Symbol.for("orthant.intercept")] as Intercept | undefined;
/** Set by `orthant run`: what carries the frames, whatever the script says. */
const launched = () => (globalThis as Shelf)[Symbol.for("orthant.transport")] as Transport | undefined;

/** Set by `orthant run --restarts`: how often it started this run before. */
const attempted = () => (globalThis as Shelf)[Symbol.for("orthant.attempt")] as number | undefined;

const never = new Promise<never>(() => {});

/**
 * Trains `model` and resolves when the last step is done. The first error of any rank rejects, all other ranks ended. What
 * a script does after training happens once: in a worker thread this call runs the ranks of that thread and never
 * resolves; in a process without rank 0 it ends the process.
 *
 * SIGINT (Ctrl-C), SIGTERM and SIGHUP to any process of the run stop all ranks after their step: it resolves with what was
 * trained, `stopped` names the signal, and the exit code will be 130, 143 or 129 unless the script sets another.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  return (await start(options)).done;
}

/** A run that has been planned, and begins. */
interface Started {
  readonly plan: Plan;
  readonly firstStep: number;
  readonly done: Promise<TrainResult>;
}

/** Starts a run, which `driver` drives where there is one. Resolves in the process and thread alone that go on with the script. */
export async function start(options: TrainOptions, driver?: CommandQueue): Promise<Started> {
  const taken = intercept();
  if (taken) return taken(options).then(() => never);
  const decided = await plan(options);
  const attempt = attempted();
  if (attempt !== undefined) checkRestarts(options);
  const transport = launched() ?? options.transport ?? threads();
  const ticket = (workerData as { orthant?: ThreadTicket } | null)?.orthant;
  const job = { options, plan: decided };
  if (ticket?.transport === transport.name)
    return serveThread({ ...job, driven: driver !== undefined }, transport, ticket).then(() => never);
  const root = transport.ranks?.includes(0) ?? true;
  const again = (attempt ?? 0) > 0;
  const found = root ? await findResumed(options, decided, again) : undefined;
  const done = runToEnd({ ...job, driver, found, again }, transport, root);
  return root ? { plan: decided, firstStep: found?.state.step ?? 0, done } : done.then(() => never);
}

interface Beginning extends Pick<RanksJob, "options" | "plan" | "driver"> {
  /** The checkpoint that the run goes on from. */
  readonly found: Found | undefined;
  /** It was started before, and its folder is there. */
  readonly again: boolean;
}

/** Runs the ranks of this process to their end, with files and signals around them. */
async function runToEnd(
  { options, plan: decided, driver, found, again }: Beginning,
  transport: Transport,
  root: boolean,
): Promise<TrainResult> {
  const shown = root ? options : { ...options, run: false as const, quiet: true };
  const firstStep = found?.state.step ?? 0;
  const run = openRun({ options: shown, plan: decided, out: process.stdout, root: RUNS, firstStep, again });
  const interrupt = new Interrupt(run.close);
  const events = driver ? answering(driver, run.events) : run.events;
  const folders = { into: options.checkpoint && (options.checkpoint.dir ?? run.dir), from: found?.path };
  const { stop } = interrupt;
  const work = { options, plan: decided, driver, events, folders, stop, onBegin: () => interrupt.begin() };
  const outcomes = await runRanks(transport, work).finally(() => {
    interrupt.release();
    run.close();
  });
  const { stopped, losses } = outcomes[0]!;
  const alone = transport.ranks === undefined || transport.ranks.length === decided.ranks.length;
  if (stopped && (root || !launched()))
    tellStopped(stopped, { steps: options.steps, done: firstStep + losses.length, alone, dir: run.dir });
  if (stopped) process.exitCode ||= exitCodeOf(stopped.signal);
  return root ? { ...toResult(decided, outcomes, run.dir), firstStep } : process.exit();
}

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
): Omit<TrainResult, "firstStep"> {
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
    ...(outcomes[0]!.stopped && { stopped: outcomes[0]!.stopped.signal }),
  };
}
