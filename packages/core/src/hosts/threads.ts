// Ranks spread over worker threads. Each worker runs the user's script again; its `train` call finds a ticket and runs the
// ranks of that thread, so models, data and strategies need no serialising. As in any SPMD launcher, what a script does
// before `train` happens in every worker.
import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { useDevice } from "../devices/index.ts";
import type { ActionTime, Outcome, RankEvents, StepReport } from "../events.ts";
import type { Host, HostJob } from "../host.ts";
import type { TrainOptions } from "../options.ts";
import type { Plan } from "../plan.ts";
import { runRank } from "../rank.ts";
import { joinThreads, type ThreadWiring, wireThreads } from "../transports/threads.ts";
import { together } from "./memory.ts";

export interface ThreadsOptions {
  /** Worker threads; one a core by default, never more than ranks. */
  readonly workers?: number;
  /** The module each worker runs; the program's main module by default. Its `train` call must have the same options. */
  readonly script?: string | URL;
  /** Milliseconds that a rank waits for a message before the run ends, naming who waits for whom. 60 000 by default. */
  readonly stall?: number;
}

/** What a worker finds in `workerData.orthant`. */
export interface ThreadTicket {
  readonly wiring: ThreadWiring;
  readonly thread: number;
  readonly stall: number;
  /** One Int32: not 0 asks all ranks to stop after their step. */
  readonly stop: SharedArrayBuffer;
  /** The plan as the starting thread made it: the worker's must be the same. */
  readonly plan: string;
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

/** What two threads must agree on. */
const fingerprint = ({ mesh, batch, micros, specs, stages, schedule }: Plan): string =>
  JSON.stringify({ mesh, batch, micros, specs, stages, schedule });

/**
 * The thread of each rank: blocks of equal size, with data-parallel ranks kept apart first, as they wait for each other
 * least, and stages next.
 */
export function dealThreads(plan: Plan, workers: number): number[] {
  const order = plan.ranks.toSorted(
    (a, b) => (a.coords.dp ?? 0) - (b.coords.dp ?? 0) || (a.coords.pp ?? 0) - (b.coords.pp ?? 0) || a.rank - b.rank,
  );
  const home: number[] = [];
  order.forEach(({ rank }, i) => {
    home[rank] = Math.floor((i * workers) / order.length);
  });
  return home;
}

function scriptUrl(script: string | URL | undefined): URL {
  const main = script ?? process.argv[1];
  if (!main)
    throw new Error("threads(): this program has no main module to run in workers; name one: threads({ script })");
  return main instanceof URL ? main : pathToFileURL(main);
}

/** Ranks spread over worker threads of this process. */
export const threads = ({ workers = availableParallelism(), script, stall = 60_000 }: ThreadsOptions = {}): Host => {
  if (!Number.isInteger(workers) || workers < 1)
    throw new Error(`threads({ workers: ${workers} }): give a whole number from 1`);
  return {
    name: "threads",
    async run(job) {
      const url = scriptUrl(script);
      const home = dealThreads(job.plan, Math.min(workers, job.plan.ranks.length));
      const wiring = wireThreads(home);
      const stop = new SharedArrayBuffer(4);
      const ask = () => void Atomics.store(new Int32Array(stop), 0, 1);
      job.stop.addEventListener("abort", ask);
      if (job.stop.aborted) ask();
      const tickets = wiring.rings.map(
        (_, thread): ThreadTicket => ({
          wiring,
          thread,
          stall,
          stop,
          plan: fingerprint(job.plan),
          wantsActions: !!job.events.onActions,
        }),
      );
      const started = tickets.map((orthant) => new Worker(url, { workerData: { orthant } }));
      try {
        return await outcomesOf(started.map((worker) => listen(worker, job)));
      } finally {
        job.stop.removeEventListener("abort", ask);
        await Promise.all(started.map((worker) => worker.terminate()));
      }
    },
  };
};

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
export async function serveThread(options: TrainOptions, plan: Plan, ticket: ThreadTicket): Promise<void> {
  parentPort!.on("message", () => {}); // keeps this thread until the one that started it ends it
  const post = (message: Message) => parentPort!.postMessage(message);
  const fail = (error: unknown) => {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    post({ kind: "failed", message, stack, at: now() });
  };
  try {
    if (fingerprint(plan) !== ticket.plan)
      throw new Error(
        "this thread's train() call got other options than the first: a script that trains over threads must " +
          "call train() once, with options that do not change between runs",
      );
    await useDevice(options.device);
    const stopped = () => Atomics.load(new Int32Array(ticket.stop), 0) !== 0;
    const events: RankEvents = {
      onStep: (report) => post({ kind: "step", report }),
      ...(ticket.wantsActions && {
        onActions: (rank, step, actions) => post({ kind: "actions", rank, step, actions }),
      }),
    };
    const transports = [...joinThreads(ticket.wiring, ticket.thread, { stall: ticket.stall }).values()];
    const outcomes = await together(
      transports,
      (transport) => runRank({ options, plan, transport, events, stopped }),
      fail,
    );
    post({ kind: "done", outcomes });
  } catch (error) {
    fail(error);
  }
}
