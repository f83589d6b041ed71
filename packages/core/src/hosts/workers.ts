// The ranks of a process over worker threads: started, heard and ended here; served there. Each worker runs the user's
// script again; its `train` call finds a ticket and runs the ranks of that thread, so models, data and strategies need no
// serialising. As in any SPMD launcher, what a script does before `train` happens in every worker.
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { useDevice } from "../devices/index.ts";
import { fromPlain, type PlainError, toPlain } from "../errors.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { Command } from "../rank/commands.ts";
import type { ActionTime, Outcome, RankEvents, StepReport } from "../rank/events.ts";
import { signalOf } from "../rank/stop.ts";
import { ranksHere, type Transport } from "../transports/transport.ts";
import { CommandQueue } from "./command-queue.ts";
import { fingerprint } from "./fingerprint.ts";
import { type RanksJob, runShare } from "./share.ts";
import { within } from "./within.ts";

/** What a worker finds in `workerData.orthant`. */
export interface ThreadTicket {
  /** The transport's name: a call of `train` over another one is not the one this worker is for. */
  readonly transport: string;
  /** The transport's own ticket. */
  readonly ticket: unknown;
  readonly thread: number;
  /** One Int32: the number of the signal that asks all ranks to stop after their step, 0 for none. */
  readonly stop: SharedArrayBuffer;
  /** What the starting thread's options come to: the worker's must be the same. */
  readonly agreed: string;
  readonly wantsActions: boolean;
}

/** What the workers of a run share. */
export interface Crew extends Pick<ThreadTicket, "transport" | "ticket"> {
  readonly threads: readonly (readonly number[])[];
  readonly script: URL;
  /** ms that each worker may take to come to `train`, at least. 60 000 where absent. */
  readonly stall?: number | undefined;
}

type Message =
  /** It came to `train`, with the same options. */
  | { readonly kind: "came" }
  | { readonly kind: "step"; readonly report: StepReport }
  | { readonly kind: "actions"; readonly rank: number; readonly step: number; readonly actions: readonly ActionTime[] }
  | { readonly kind: "gathered"; readonly values: Float32Array }
  | { readonly kind: "done"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "failed"; readonly error: PlainError; readonly at: number };

/** How a worker ended. Several fail when one does, as they wait for each other: the earliest is to blame. */
type Ending = { readonly outcomes: readonly Outcome[] } | { readonly error: Error; readonly at: number };

/** Milliseconds that the other workers get to report once one failed. */
const GRACE = 3000;

/** Finds the module that workers run. Throws where the program has none. */
export function scriptOf({ script = process.argv[1], name }: Transport): URL {
  if (!script)
    throw new Error(`${name}(): this program has no main module to run in workers; name one: ${name}({ script })`);
  return script instanceof URL ? script : pathToFileURL(script);
}

/** Runs all ranks of this process in workers. Resolves to their outcomes; rejects with the first failure, all workers ended. */
export async function runWorkers(job: RanksJob, { threads, script, stall, ...crew }: Crew): Promise<Outcome[]> {
  const stop = new SharedArrayBuffer(4);
  const ask = () => void Atomics.store(new Int32Array(stop), 0, signalOf(job.stop));
  job.stop.addEventListener("abort", ask);
  if (job.stop.aborted) ask();
  const agreed = JSON.stringify(fingerprint(job.options, job.plan));
  const started = threads.map((_, thread) => {
    const orthant: ThreadTicket = { ...crew, thread, stop, agreed, wantsActions: !!job.events.onActions };
    return new Worker(script, { argv: process.argv.slice(2), workerData: { orthant } });
  });
  try {
    const outcomes = outcomesOf(started.map((worker, i) => listen(worker, job, nameOf(i, threads))));
    await gather(started, { threads, stall, outcomes });
    job.onBegin?.();
    const root = threads.findIndex((ranks) => ranks.includes(0));
    if (job.driver && root >= 0) void passOn(job.driver, started[root]!);
    return await outcomes;
  } finally {
    job.stop.removeEventListener("abort", ask);
    await Promise.all(started.map((worker) => worker.terminate()));
  }
}

/** Passes commands on to the worker of rank 0. */
async function passOn(queue: CommandQueue, worker: Worker): Promise<void> {
  for (let command: Command | undefined; command !== "close"; worker.postMessage(command)) command = await queue.next();
}

/** Names a thread for messages: `thread 2 (ranks 4, 5)`. */
const nameOf = (thread: number, threads: Crew["threads"]): string => {
  const ranks = threads[thread]!;
  return `thread ${thread} (rank${ranks.length === 1 ? "" : "s"} ${ranks.join(", ")})`;
};

/** What `gather` needs to know beside the workers. */
interface GatherJob extends Pick<Crew, "threads" | "stall"> {
  /** Settles where a worker fails before all have come. */
  readonly outcomes: Promise<unknown>;
}

/**
 * Waits until every worker has come to `train`, then lets all begin. Throws where one takes longer than `stall`, and than
 * twice what this thread took: a script may have much to read before.
 */
async function gather(workers: readonly Worker[], { threads, stall = 60_000, outcomes }: GatherJob): Promise<void> {
  const missing = new Set(workers.keys());
  const all = new Promise<void>((resolve) => {
    for (const [thread, worker] of workers.entries())
      worker.on("message", ({ kind }: Message) => {
        if (kind === "came" && missing.delete(thread) && missing.size === 0) resolve();
      });
  });
  const limit = Math.max(stall, 2 * performance.now());
  await within(limit, Promise.race([all, outcomes]), () => {
    const names = [...missing].map((thread) => nameOf(thread, threads)).join(", ");
    const why = "does the script await something before it, or call it in the main thread alone?";
    return new Error(`${names} did not call train() within ${Math.round(limit / 1000)} s: ${why}`);
  });
  for (const worker of workers) worker.postMessage("begin");
}

/** Tells the thread that started this one that it has come, and waits to be let in. */
async function letIn(post: (message: Message) => void): Promise<void> {
  const begin = once(parentPort!, "message");
  post({ kind: "came" });
  await begin;
}

/** Waits for all outcomes, or throws the earliest error among those that come in soon after the first. */
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
  return known.flatMap((end) => ("outcomes" in end ? end.outcomes : []));
}

const now = () => performance.timeOrigin + performance.now();

function listen(worker: Worker, { events, driver }: RanksJob, name: string): Promise<Ending> {
  return new Promise((resolve) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "step") events.onStep?.(message.report);
      if (message.kind === "actions") events.onActions?.(message.rank, message.step, message.actions);
      if (message.kind === "gathered") driver?.answer(message.values);
      if (message.kind === "done") resolve({ outcomes: message.outcomes });
      if (message.kind === "failed") resolve({ error: fromPlain(message.error), at: message.at });
    });
    worker.on("error", (error: Error) => resolve({ error, at: now() }));
    worker.on("exit", (code) =>
      resolve({ error: new Error(`${name} ended with code ${code} before its ranks were done`), at: now() }),
    );
  });
}

/** Runs, in a worker, the ranks that the ticket names, and reports to the thread that started it. */
export async function serveThread(
  { options, plan, driven }: { readonly options: JobOptions; readonly plan: Plan; readonly driven: boolean },
  transport: Transport,
  given: ThreadTicket,
): Promise<void> {
  const queue = new CommandQueue();
  parentPort!.on("message", (sent: Command | "begin") => {
    if (sent !== "begin") queue.push(sent);
  }); // keeps this thread, too, until the one that started it ends it
  const post = (message: Message) => parentPort!.postMessage(message);
  const fail = (error: unknown) => post({ kind: "failed", error: toPlain(error), at: now() });
  try {
    if (JSON.stringify(fingerprint(options, plan)) !== given.agreed)
      throw new Error(
        "this thread's train() call got other options than the first: a script that trains over threads must " +
          "call train() once, with options that do not change between runs",
      );
    await letIn(post);
    await useDevice(options.device, { localRank: given.thread });
    const stopped = () => Atomics.load(new Int32Array(given.stop), 0);
    const endpoints = [...transport.join(given.ticket, given.thread).values()];
    const here = ranksHere(transport, plan.mesh);
    const events = eventsTo(post, given.wantsActions);
    const gathered = (values: Float32Array) => post({ kind: "gathered", values });
    const driver = driven ? { next: () => queue.next(), gathered } : undefined;
    post({ kind: "done", outcomes: await runShare({ options, plan, events, driver, endpoints, here, stopped }, fail) });
  } catch (error) {
    fail(error);
  }
}

const eventsTo = (post: (message: Message) => void, wantsActions: boolean): RankEvents => ({
  onStep: (report) => post({ kind: "step", report }),
  ...(wantsActions && { onActions: (rank, step, actions) => post({ kind: "actions", rank, step, actions }) }),
});
