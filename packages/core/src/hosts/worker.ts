// The ranks of one worker thread: what a worker finds when it runs the user's script again, and what it says to the thread that
// started it. That thread's side is `workers.ts`.
import { once } from "node:events";
import { parentPort } from "node:worker_threads";
import type { Folders } from "../checkpoint/places.ts";
import { localRank } from "../devices/choose.ts";
import { told, useDevice } from "../devices/index.ts";
import { type PlainError, toPlain } from "../errors.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { Command } from "../rank/commands.ts";
import type { LossSum } from "../rank/evaluation/evaluate.ts";
import type { ActionTime, Outcome, RankEvents, StepReport } from "../rank/events.ts";
import { patienceOf, ranksHere, type Transport } from "../transports/transport.ts";
import { CommandQueue } from "./command-queue.ts";
import { differing, fingerprint } from "./fingerprint.ts";
import type { PastCall } from "./past.ts";
import { runShare } from "./share.ts";

/** What a worker finds in `workerData.orthant`. */
export interface ThreadTicket {
  /** The transport's name. */
  readonly transport: string;
  /** The transport's own ticket. */
  readonly ticket: unknown;
  readonly thread: number;
  /** One Int32: the number of the signal that asks all ranks to stop after their step, 0 for none. */
  readonly stop: SharedArrayBuffer;
  /** What the starting thread's options come to: the worker's must be the same. */
  readonly agreed: string;
  /** What the script's calls before came to. Each call of the worker takes one. */
  readonly calls: PastCall[];
  readonly wantsActions: boolean;
  readonly folders: Folders | undefined;
}

/** What a worker says. */
export type Message =
  /** It came to `train`, with the same options. */
  | { readonly kind: "came" }
  | { readonly kind: "step"; readonly report: StepReport }
  | { readonly kind: "actions"; readonly rank: number; readonly step: number; readonly actions: readonly ActionTime[] }
  | { readonly kind: "answer"; readonly answer: Float32Array | LossSum }
  | { readonly kind: "done"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "failed"; readonly error: PlainError; readonly at: number };

/** ms since 1970, the same in every thread. */
export const now = () => performance.timeOrigin + performance.now();

/** Tells the thread that started this one that it has come, and waits to be let in. */
async function letIn(post: (message: Message) => void): Promise<void> {
  const begin = once(parentPort!, "message");
  post({ kind: "came" });
  await begin;
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
    const others = differing(await fingerprint(options, plan), JSON.parse(given.agreed) as Record<string, string>);
    if (others.length)
      throw new Error(
        `this thread's call of train() got another ${others.join(", ")} than the first thread's: the script runs once in every ` +
          "thread, and must come to the same calls in each: nothing drawn by Math.random(), no time of day",
      );
    await letIn(post);
    const tell = given.thread === 0 ? told(options) : undefined;
    const { device, precision } = options;
    const where = { localRank: localRank(given.thread), precision };
    await useDevice(device, where, tell);
    const stopped = () => Atomics.load(new Int32Array(given.stop), 0);
    const endpoints = [...transport.join(given.ticket, given.thread).values()];
    const here = ranksHere(transport, plan.mesh);
    const events = eventsTo(post, given.wantsActions);
    const answer = (what: Float32Array | LossSum) => post({ kind: "answer", answer: what });
    const driver = driven ? { next: () => queue.next(), answer } : undefined;
    const { folders } = given;
    const share = { options, plan, events, driver, folders, endpoints, here, stopped, patience: patienceOf(transport) };
    post({ kind: "done", outcomes: await runShare(share, fail) });
  } catch (error) {
    fail(error);
  }
}

const eventsTo = (post: (message: Message) => void, wantsActions: boolean): RankEvents => ({
  onStep: (report) => post({ kind: "step", report }),
  ...(wantsActions && { onActions: (rank, step, actions) => post({ kind: "actions", rank, step, actions }) }),
});
