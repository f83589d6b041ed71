// One thread's share of a run: its ranks to their end, and what they leave behind brought to rank 0, whose process writes
// the files and goes on with the user's script. Between processes that goes over the run's own endpoint.

import type { Folders } from "../checkpoint/places.ts";
import { toFrame, toVector } from "../group/vectors.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { Driver } from "../rank/commands.ts";
import type { ActionTime, Outcome, RankEvents } from "../rank/events.ts";
import { runRank } from "../rank/rank.ts";
import { TRACED_STEPS } from "../report/trace.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { toFrameOfJson, toJson } from "../transports/frames.ts";
import { messageKey, world } from "../transports/key.ts";
import type { CommandQueue } from "./command-queue.ts";
import { lineOf } from "./line.ts";
import type { Call, PastCall } from "./past.ts";

export interface RanksJob {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly events: RankEvents;
  /** Asks every rank to stop after the step it is in; the reason is the name of a signal. */
  readonly stop: AbortSignal;
  /** Where checkpoints go and come from: known to the process of rank 0. */
  readonly folders?: Folders | undefined;
  /** Told once all ranks of this process are there and their first step begins. */
  onBegin?(): void;
  /** Who asks for each step; absent where steps follow each other by themselves. */
  readonly driver?: CommandQueue | undefined;
  /** The script's call that this is: workers are told what those before came to, and processes meet at each anew. */
  readonly call?: Call | undefined;
  /** What those before came to. */
  readonly past?: readonly PastCall[];
}

export interface ShareJob extends Omit<RanksJob, "stop" | "onBegin" | "driver"> {
  /** The first rank of each other process, as the thread of rank 0 hears of them. */
  readonly leads?: number[];
  readonly driver?: Driver | undefined;
  /** ms that a rank waits for data at most. */
  readonly patience?: number;
  /** The ends of this thread's ranks. */
  readonly endpoints: readonly Endpoint[];
  /** The ranks of this process. */
  readonly here: readonly number[];
  /** Read once a step: the number of the signal that asks to stop after it, 0 for none. */
  stopped(): number;
}

/**
 * Runs this thread's ranks to their end. Resolves to their outcomes; in the thread of rank 0 also to those of other
 * processes. On the first failure tells `onFailure`, and rejects with it once all have ended.
 */
export async function runShare(job: ShareJob, onFailure?: (error: Error) => void): Promise<Outcome[]> {
  const { endpoints, call } = job;
  const leads: number[] = [];
  const outcomes = await together(endpoints, (endpoint) => runOne({ ...job, leads }, endpoint), onFailure);
  const apart = job.here.length < job.plan.ranks.length;
  if (call && apart) call.line = lineOf({ endpoints, leads });
  else await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  return outcomes.flat();
}

/** Runs one task an endpoint. On the first failure closes all, so that nobody waits for the failed one; else they stay open. */
async function together<T>(
  endpoints: readonly Endpoint[],
  run: (endpoint: Endpoint) => Promise<T>,
  onFailure: (error: Error) => void = () => {},
): Promise<T[]> {
  const failures: Error[] = [];
  const close = (failure?: Error) => Promise.all(endpoints.map((endpoint) => endpoint.close(failure)));
  const guarded = endpoints.map((endpoint) =>
    run(endpoint).catch(async (thrown: unknown) => {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (failures.push(error) === 1) onFailure(error);
      await close(error);
      throw error;
    }),
  );
  const settled = await Promise.allSettled(guarded);
  if (failures.length) await close();
  if (failures.length) throw failures[0];
  return settled.map((s) => (s as PromiseFulfilledResult<T>).value);
}

function runOne(job: ShareJob, endpoint: Endpoint): Promise<Outcome[]> {
  const far = job.plan.ranks.map(({ rank }) => rank).filter((rank) => !job.here.includes(rank));
  if (endpoint.rank === 0 && far.length > 0) return runRoot(job, endpoint, far);
  if (!job.here.includes(0)) return runFar(job, endpoint);
  return runRank({ ...job, endpoint }).then((outcome) => [outcome]);
}

/** Keeps what is under way, until it is done. One that fails stays, for whoever waits for all in the end. */
function track<T>(all: Set<Promise<T>>, work: Promise<T>): void {
  all.add(work);
  work.then(
    () => all.delete(work),
    () => {}, // a rank that is gone ends the step after this one, with its name
  );
}

const actionsKey = (step: number): string => messageKey(world, "actions", `step ${step}`);
const outcomeKey = (piece?: string): string => messageKey(world, "outcome", piece);

/** Whether a step's actions go to rank 0: one beyond, as a trace says where it was cut short. */
const travels = (step: number): boolean => step <= TRACED_STEPS;

/** Runs a rank of another process than rank 0's. */
async function runFar({ options, ...job }: ShareJob, endpoint: Endpoint): Promise<Outcome[]> {
  const told = new Set<Promise<void>>();
  const events: RankEvents = {
    onActions(_, step, actions) {
      if (travels(step)) track(told, endpoint.send([0], actionsKey(step), toFrameOfJson(actions)));
    },
  };
  const wanted = options.run === false ? {} : events;
  const outcome = await runRank({ ...job, options, endpoint, events: wanted });
  await Promise.all(told);
  const { pieces, ...rest } = outcome;
  const lead = endpoint.rank === job.here[0];
  await endpoint.send([0], outcomeKey(), toFrameOfJson({ ...rest, names: [...pieces.keys()], lead }));
  for (const [name, values] of pieces) await endpoint.send([0], outcomeKey(name), toFrame(values));
  return [outcome];
}

/** Runs rank 0, which hears from the ranks in `far`. Their actions of a step are on their way once that step is agreed on. */
async function runRoot(job: ShareJob, endpoint: Endpoint, far: readonly number[]): Promise<Outcome[]> {
  const heard = new Set<Promise<unknown>>();
  const hear = async (rank: number, step: number): Promise<void> => {
    const actions = toJson<ActionTime[]>(await endpoint.recv(rank, actionsKey(step)));
    job.events.onActions?.(rank, step, actions);
  };
  const events: RankEvents = {
    ...job.events,
    onStep(report) {
      job.events.onStep?.(report);
      if (job.options.run !== false && travels(report.step))
        track(heard, Promise.all(far.map((rank) => hear(rank, report.step))));
    },
  };
  const outcome = await runRank({ ...job, endpoint, events });
  await Promise.all(heard);
  return [outcome, ...(await Promise.all(far.map((rank) => outcomeOf(endpoint, rank, job.leads))))];
}

async function outcomeOf(endpoint: Endpoint, rank: number, leads: number[] = []): Promise<Outcome> {
  const head = await endpoint.recv(rank, outcomeKey());
  const { names, lead, ...rest } = toJson<Omit<Outcome, "pieces"> & { names: string[]; lead: boolean }>(head);
  if (lead) leads.push(rank);
  const pieces = new Map<string, Float32Array>();
  for (const name of names) pieces.set(name, toVector(await endpoint.recv(rank, outcomeKey(name))) as Float32Array);
  return { ...rest, pieces };
}
