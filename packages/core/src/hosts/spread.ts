// A host of any wire: the ranks of this process spread over worker threads, or in this thread where one is enough. Each
// worker runs the user's script again; its `train` call finds a ticket and runs the ranks of that thread, so models, data
// and strategies need no serialising. As in any SPMD launcher, what a script does before `train` happens in every worker.
import { pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { useDevice } from "../devices/index.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { positionOf, stageAxis } from "../plan/roles.ts";
import type { ActionTime, Outcome, RankEvents, StepReport } from "../rank/events.ts";
import { fingerprint } from "./fingerprint.ts";
import { type Host, type HostJob, ranksHere, type Wire } from "./host.ts";
import { runShare } from "./share.ts";

export interface SpreadOptions {
  /** Worker threads, never more than ranks; one needs no worker. */
  readonly workers: number;
  /** The module each worker runs; the program's main module by default. Its `train` call must have the same options. */
  readonly script?: string | URL | undefined;
}

/** What a worker finds in `workerData.orthant`. */
export interface ThreadTicket {
  /** The wire's. */
  readonly ticket: unknown;
  readonly thread: number;
  /** One Int32: not 0 asks all ranks to stop after their step. */
  readonly stop: SharedArrayBuffer;
  /** What the starting thread's options come to: the worker's must be the same. */
  readonly agreed: string;
  readonly wantsActions: boolean;
}

type Message =
  | { readonly kind: "step"; readonly report: StepReport }
  | { readonly kind: "actions"; readonly rank: number; readonly step: number; readonly actions: readonly ActionTime[] }
  | { readonly kind: "done"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "failed"; readonly message: string; readonly stack: string | undefined; readonly at: number };

/** How a worker ended. Several fail when one does, as they wait for each other: the earliest is to blame. */
type Ending = { readonly outcomes: readonly Outcome[] } | { readonly error: Error; readonly at: number };

/** Milliseconds that the other workers get to report once one failed. */
const GRACE = 3000;

/**
 * The ranks of each thread: blocks of equal size, with data-parallel ranks kept apart first, as they wait for each other
 * least, and stages next.
 */
export function dealThreads(plan: Plan, here: readonly number[], workers: number): number[][] {
  const { roles, mesh } = plan;
  const order = plan.ranks
    .filter(({ rank }) => here.includes(rank))
    .sort(
      (a, b) =>
        positionOf(roles.batch, mesh, a.coords).at - positionOf(roles.batch, mesh, b.coords).at ||
        stageAxis(roles, a.coords) - stageAxis(roles, b.coords) ||
        a.rank - b.rank,
    );
  const count = Math.min(workers, order.length);
  const threads: number[][] = Array.from({ length: count }, () => []);
  for (const [i, { rank }] of order.entries()) threads[Math.floor((i * count) / order.length)]!.push(rank);
  return threads;
}

function scriptUrl(script: string | URL | undefined, name: string): URL {
  const main = script ?? process.argv[1];
  if (!main)
    throw new Error(`${name}(): this program has no main module to run in workers; name one: ${name}({ script })`);
  return main instanceof URL ? main : pathToFileURL(main);
}

/** The ranks that `wire` says are here, over at most `workers` threads. */
export const spread = (wire: Wire, { workers, script }: SpreadOptions): Host => {
  if (!Number.isInteger(workers) || workers < 1)
    throw new Error(`${wire.name}({ workers: ${workers} }): give a whole number from 1`);
  return {
    name: wire.name,
    wire,
    async run(job) {
      const { options, plan } = job;
      const threads = dealThreads(plan, ranksHere(wire, plan), workers);
      const url = threads.length > 1 ? scriptUrl(script, wire.name) : undefined;
      const ticket = await wire.open({ plan, threads, agreed: fingerprint(options, plan) });
      return url ? runWorkers(job, threads, ticket, url) : runHere(job, wire, ticket);
    },
  };
};

async function runHere({ stop, ...job }: HostJob, wire: Wire, ticket: unknown): Promise<Outcome[]> {
  await useDevice(job.options.device);
  const endpoints = [...wire.join(ticket, 0).values()];
  const outcomes = await runShare({ ...job, endpoints, here: ranksHere(wire, job.plan), stopped: () => stop.aborted });
  return outcomes.sort((a, b) => a.rank - b.rank);
}

async function runWorkers(job: HostJob, threads: number[][], ticket: unknown, url: URL): Promise<Outcome[]> {
  const stop = new SharedArrayBuffer(4);
  const ask = () => void Atomics.store(new Int32Array(stop), 0, 1);
  job.stop.addEventListener("abort", ask);
  if (job.stop.aborted) ask();
  const agreed = JSON.stringify(fingerprint(job.options, job.plan));
  const started = threads.map((_, thread) => {
    const orthant: ThreadTicket = { ticket, thread, stop, agreed, wantsActions: !!job.events.onActions };
    return new Worker(url, { workerData: { orthant } });
  });
  try {
    return await outcomesOf(started.map((worker) => listen(worker, job)));
  } finally {
    job.stop.removeEventListener("abort", ask);
    await Promise.all(started.map((worker) => worker.terminate()));
  }
}

/** All outcomes by rank, or the earliest error among those that come in soon after the first. */
async function outcomesOf(endings: readonly Promise<Ending>[]): Promise<Outcome[]> {
  const known: Ending[] = [];
  const failed = new Promise<void>((resolve) => {
    for (const ending of endings)
      void ending.then((end) => {
        known.push(end);
        if ("error" in end) setTimeout(resolve, GRACE).unref();
      });
  });
  await Promise.race([Promise.all(endings), failed]);
  const [first] = known.filter((end) => "error" in end).sort((a, b) => a.at - b.at);
  if (first) throw first.error;
  return known.flatMap((end) => ("outcomes" in end ? end.outcomes : [])).sort((a, b) => a.rank - b.rank);
}

const now = () => performance.timeOrigin + performance.now();

function listen(worker: Worker, { events }: HostJob): Promise<Ending> {
  return new Promise((resolve) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "step") events.onStep?.(message.report);
      if (message.kind === "actions") events.onActions?.(message.rank, message.step, message.actions);
      if (message.kind === "done") resolve({ outcomes: message.outcomes });
      if (message.kind === "failed")
        resolve({ error: Object.assign(new Error(message.message), { stack: message.stack }), at: message.at });
    });
    worker.on("error", (error: Error) => resolve({ error, at: now() }));
    worker.on("exit", (code) =>
      resolve({ error: new Error(`a worker thread ended with code ${code} before its ranks were done`), at: now() }),
    );
  });
}

/** In a worker: runs the ranks that the ticket names and reports to the thread that started it. */
export async function serveThread(options: JobOptions, plan: Plan, wire: Wire, given: ThreadTicket): Promise<void> {
  parentPort!.on("message", () => {}); // keeps this thread until the one that started it ends it
  const post = (message: Message) => parentPort!.postMessage(message);
  const fail = (error: unknown) => {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    post({ kind: "failed", message, stack, at: now() });
  };
  try {
    if (JSON.stringify(fingerprint(options, plan)) !== given.agreed)
      throw new Error(
        "this thread's train() call got other options than the first: a script that trains over threads must " +
          "call train() once, with options that do not change between runs",
      );
    await useDevice(options.device, { localRank: given.thread });
    const stopped = () => Atomics.load(new Int32Array(given.stop), 0) !== 0;
    const endpoints = [...wire.join(given.ticket, given.thread).values()];
    const here = ranksHere(wire, plan);
    const events = eventsTo(post, given.wantsActions);
    post({ kind: "done", outcomes: await runShare({ options, plan, events, endpoints, here, stopped }, fail) });
  } catch (error) {
    fail(error);
  }
}

const eventsTo = (post: (message: Message) => void, wantsActions: boolean): RankEvents => ({
  onStep: (report) => post({ kind: "step", report }),
  ...(wantsActions && { onActions: (rank, step, actions) => post({ kind: "actions", rank, step, actions }) }),
});
