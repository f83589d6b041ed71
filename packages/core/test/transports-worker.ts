// The worker of transports-cases.ts: runs the program it is told to on every rank of its thread, then reports.
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Endpoint, Frame } from "../src/transports/endpoint.ts";
import { joinThreads } from "../src/transports/threads/threads.ts";
import type { ThreadWiring } from "../src/transports/threads/wiring.ts";

export type Program = "exchange" | "echo" | "leave" | "stall";
export interface Task {
  readonly wiring: ThreadWiring;
  readonly thread: number;
  readonly program: Program;
}

const message = (from: number, to: number, i: number): Frame => {
  const length = (from * 7919 + to * 104729 + i * 1299709) % 50_000;
  return { dtype: "uint8", shape: [length], data: new Uint8Array(length).map((_, at) => at + from + to + i) };
};

const check = (found: Frame, expected: Frame): void => {
  if (found.data.length !== expected.data.length)
    throw new Error(`length ${found.data.length}, not ${expected.data.length}`);
  const at = found.data.findIndex((byte, i) => byte !== expected.data[i]);
  if (at >= 0) throw new Error(`byte ${at}: ${found.data[at]}, not ${expected.data[at]}`);
};

/** Each rank sends 50 messages to each rank, and receives as many, last first. */
async function exchange({ rank, size, send, recv }: Endpoint): Promise<void> {
  const ranks = Array.from({ length: size }, (_, other) => other);
  const messages = ranks.flatMap((other) => Array.from({ length: 50 }, (_, i) => ({ other, i })));
  await Promise.all([
    ...messages.map(({ other, i }) => send([other], `${i}`, message(rank, other, i))),
    ...messages.reverse().map(async ({ other, i }) => check(await recv(other, `${i}`), message(other, rank, i))),
  ]);
}

/** Rank 0 sends 20 MiB to all at once; each sends it back. */
async function echo({ rank, size, send, recv }: Endpoint): Promise<void> {
  const ranks = Array.from({ length: size }, (_, other) => other);
  const data = new Uint8Array(20 * 2 ** 20).map((_, i) => i % 251);
  if (rank === 0) await send(ranks, "there", { dtype: "uint8", shape: [data.length], data });
  await send([0], "back", await recv(0, "there"));
  if (rank === 0) for (const other of ranks) check(await recv(other, "back"), { dtype: "uint8", shape: [], data });
}

/** The last rank closes, the others wait for it. */
async function leave({ rank, size, recv, close }: Endpoint): Promise<void> {
  if (rank === size - 1) return setTimeout(50).then(() => close());
  const error = await recv(size - 1, "gone").then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  if (!error?.includes(`rank ${size - 1}, which is closed`)) throw new Error(`found: ${error}`);
}

/** Rank 0 waits for what nobody sends, with nothing else that keeps its thread alive. */
async function stall({ rank, recv }: Endpoint): Promise<void> {
  if (rank !== 0) return;
  const error = await recv(1, "lost").then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  if (!error?.includes(`stalled: rank 0 waits for rank 1: "lost"`)) throw new Error(`found: ${error}`);
}

const { wiring, thread, program } = workerData as Task;
const endpoints = [...joinThreads(wiring, thread, { stall: program === "stall" ? 200 : 20_000 }).values()];
const run = { exchange, echo, leave, stall }[program];
const results = await Promise.allSettled(endpoints.map(run));
parentPort?.postMessage(results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : [])));
await once(parentPort as MessagePort, "message"); // all have reported
await Promise.all(endpoints.map(({ close }) => close()));
