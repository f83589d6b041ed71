// The ranks of a process over worker threads: started, heard and ended here; served in `worker.ts`. Each worker runs the user's
// script again; its `train` call finds a ticket and runs the ranks of that thread, so models, data and strategies need no
// serialising. As in any SPMD launcher, what a script does before `train` happens in every worker.
import { Worker } from "node:worker_threads";
import { fromPlain } from "../errors.ts";
import type { Command } from "../rank/commands.ts";
import type { Outcome } from "../rank/events.ts";
import { signalOf } from "../rank/stop.ts";
import type { CommandQueue } from "./command-queue.ts";
import type { RanksJob } from "./share.ts";
import { within } from "./within.ts";
import { type Message, now, type ThreadTicket } from "./worker.ts";

/** What the workers of a run share. */
export interface Crew extends Pick<ThreadTicket, "transport" | "ticket"> {
  readonly threads: readonly (readonly number[])[];
  readonly script: URL;
  /** What each worker's options must come to, by name. */
  readonly agreed: Readonly<Record<string, string>>;
  /** ms that each worker may take to come to `train`, at least. 60 000 where absent. */
  readonly stall?: number | undefined;
}

/** How a worker ended. Several fail when one does, as they wait for each other: the earliest is to blame. */
type Ending = { readonly outcomes: readonly Outcome[] } | { readonly error: Error; readonly at: number };

/** Milliseconds that the other workers get to report once one failed. */
const GRACE = 3000;

/** Runs all ranks of this process in workers. Resolves to their outcomes; rejects with the first failure, all workers ended. */
export async function runWorkers(job: RanksJob, { threads, script, stall, agreed, ...crew }: Crew): Promise<Outcome[]> {
  const stop = new SharedArrayBuffer(4);
  const ask = () => void Atomics.store(new Int32Array(stop), 0, signalOf(job.stop));
  job.stop.addEventListener("abort", ask);
  if (job.stop.aborted) ask();
  const started = threads.map((_, thread) => {
    const orthant: ThreadTicket = {
      ...crew,
      thread,
      stop,
      agreed: JSON.stringify(agreed),
      calls: [...(job.past ?? [])],
      wantsActions: !!job.events.onActions,
      folders: job.folders,
    };
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

function listen(worker: Worker, { events, driver }: RanksJob, name: string): Promise<Ending> {
  return new Promise((resolve) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "step") events.onStep?.(message.report);
      if (message.kind === "actions") events.onActions?.(message.rank, message.step, message.actions);
      if (message.kind === "answer") driver?.answer(message.answer);
      if (message.kind === "done") resolve({ outcomes: message.outcomes });
      if (message.kind === "failed") resolve({ error: fromPlain(message.error), at: message.at });
    });
    worker.on("error", (error: Error) => resolve({ error, at: now() }));
    worker.on("exit", (code) =>
      resolve({ error: new Error(`${name} ended with code ${code} before its ranks were done`), at: now() }),
    );
  });
}
