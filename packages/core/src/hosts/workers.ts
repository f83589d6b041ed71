// The ranks of a process over worker threads: started, heard and ended here; served there. Each worker runs the user's
// script again; its `train` call finds a ticket and runs the ranks of that thread, so models, data and strategies need no
// serialising. As in any SPMD launcher, what a script does before `train` happens in every worker.
import { pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { useDevice } from "../devices/index.ts";
import { fromPlain, type PlainError, toPlain } from "../errors.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { ActionTime, Outcome, RankEvents, StepReport } from "../rank/events.ts";
import { ranksHere, type Transport } from "../transports/transport.ts";
import { fingerprint } from "./fingerprint.ts";
import { type RanksJob, runShare } from "./share.ts";

/** What a worker finds in `workerData.orthant`. */
export interface ThreadTicket {
  /** The transport's name: a call of `train` over another one is not the one this worker is for. */
  readonly transport: string;
  /** The transport's own ticket. */
  readonly ticket: unknown;
  readonly thread: number;
  /** One Int32: not 0 asks all ranks to stop after their step. */
  readonly stop: SharedArrayBuffer;
  /** What the starting thread's options come to: the worker's must be the same. */
  readonly agreed: string;
  readonly wantsActions: boolean;
}

/** What the workers of a run share. */
export interface Crew extends Pick<ThreadTicket, "transport" | "ticket"> {
  readonly threads: readonly (readonly number[])[];
  readonly script: URL;
}

type Message =
  | { readonly kind: "step"; readonly report: StepReport }
  | { readonly kind: "actions"; readonly rank: number; readonly step: number; readonly actions: readonly ActionTime[] }
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
export async function runWorkers(job: RanksJob, { threads, script, ...crew }: Crew): Promise<Outcome[]> {
  const stop = new SharedArrayBuffer(4);
  const ask = () => void Atomics.store(new Int32Array(stop), 0, 1);
  job.stop.addEventListener("abort", ask);
  if (job.stop.aborted) ask();
  const agreed = JSON.stringify(fingerprint(job.options, job.plan));
  const started = threads.map((_, thread) => {
    const orthant: ThreadTicket = { ...crew, thread, stop, agreed, wantsActions: !!job.events.onActions };
    return new Worker(script, { workerData: { orthant } });
  });
  try {
    return await outcomesOf(started.map((worker) => listen(worker, job)));
  } finally {
    job.stop.removeEventListener("abort", ask);
    await Promise.all(started.map((worker) => worker.terminate()));
  }
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

function listen(worker: Worker, { events }: RanksJob): Promise<Ending> {
  return new Promise((resolve) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "step") events.onStep?.(message.report);
      if (message.kind === "actions") events.onActions?.(message.rank, message.step, message.actions);
      if (message.kind === "done") resolve({ outcomes: message.outcomes });
      if (message.kind === "failed") resolve({ error: fromPlain(message.error), at: message.at });
    });
    worker.on("error", (error: Error) => resolve({ error, at: now() }));
    worker.on("exit", (code) =>
      resolve({ error: new Error(`a worker thread ended with code ${code} before its ranks were done`), at: now() }),
    );
  });
}

/** Runs, in a worker, the ranks that the ticket names, and reports to the thread that started it. */
export async function serveThread(
  { options, plan }: { readonly options: JobOptions; readonly plan: Plan },
  transport: Transport,
  given: ThreadTicket,
): Promise<void> {
  parentPort!.on("message", () => {}); // keeps this thread until the one that started it ends it
  const post = (message: Message) => parentPort!.postMessage(message);
  const fail = (error: unknown) => post({ kind: "failed", error: toPlain(error), at: now() });
  try {
    if (JSON.stringify(fingerprint(options, plan)) !== given.agreed)
      throw new Error(
        "this thread's train() call got other options than the first: a script that trains over threads must " +
          "call train() once, with options that do not change between runs",
      );
    await useDevice(options.device, { localRank: given.thread });
    const stopped = () => Atomics.load(new Int32Array(given.stop), 0) !== 0;
    const endpoints = [...transport.join(given.ticket, given.thread).values()];
    const here = ranksHere(transport, plan.mesh);
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
