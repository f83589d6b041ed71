// The threads transport against this machine's memory: all-reduce of 64 MiB between two threads, as direct exchange,
// over the rate of a plain copy; and the round trip of 1 KiB. Target: 30 % of the copy, which one thread makes alone; the
// all-reduce delivers 64 MiB to each of the two. Best of 25, for both.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { Endpoint, Frame } from "../../packages/core/src/transports/endpoint.ts";
import { joinThreads } from "../../packages/core/src/transports/threads/threads.ts";
import { type ThreadWiring, wireThreads } from "../../packages/core/src/transports/threads/wiring.ts";

const elements = 16 * 2 ** 20;
const pieces = 8;
const rounds = 25;
const trips = 2000;
const target = 0.3;

interface Times {
  /** ms of an all-reduce. */
  readonly allReduce: number;
  /** ms of a round trip. */
  readonly trip: number;
}

const frame = (values: Float32Array): Frame => ({
  dtype: "float32",
  shape: [values.length],
  data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

const toFloats = ({ data }: Frame): Float32Array => new Float32Array(data.buffer, data.byteOffset, data.length / 4);

const best = (took: readonly number[]): number => Math.min(...took);
const median = (took: readonly number[]): number => took.toSorted((a, b) => a - b)[took.length >> 1] ?? Number.NaN;

async function times(count: number, run: (i: number) => Promise<void> | void): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await run(i);
    took.push(performance.now() - from);
  }
  return took;
}

/** Each rank sums its half of a piece, then sends it: 64 MiB sent and 64 MiB received by each, over all pieces. */
async function reducePiece({ rank, send, recv, recycle }: Endpoint, piece: Float32Array, key: string): Promise<void> {
  const other = 1 - rank;
  const half = piece.length / 2;
  const [mine, rest] = [
    piece.subarray(rank * half, rank * half + half),
    piece.subarray(other * half, other * half + half),
  ];
  const sent = send([other], `scatter ${key}`, frame(rest));
  const theirs = await recv(other, `scatter ${key}`);
  addTo(mine, toFloats(theirs));
  recycle?.(theirs.data);
  await Promise.all([sent, send([other], `gather ${key}`, frame(mine))]);
  const sum = await recv(other, `gather ${key}`);
  rest.set(toFloats(sum));
  recycle?.(sum.data);
}

function addTo(total: Float32Array, x: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (x[i] as number);
}

async function allReduce(transport: Endpoint, values: Float32Array, i: number): Promise<void> {
  const piece = values.length / pieces;
  const run = (at: number) => reducePiece(transport, values.subarray(at * piece, (at + 1) * piece), `${i} ${at}`);
  await Promise.all(Array.from({ length: pieces }, (_, at) => run(at)));
}

async function pingPong({ rank, send, recv }: Endpoint, i: number): Promise<void> {
  if (rank === 1) await recv(0, `ping ${i}`);
  await send([1 - rank], rank === 0 ? `ping ${i}` : `pong ${i}`, frame(new Float32Array(256)));
  if (rank === 0) await recv(1, `pong ${i}`);
}

async function measure(transport: Endpoint): Promise<Times> {
  const values = new Float32Array(elements).fill(transport.rank + 1);
  const reduced = await times(rounds, (i) => allReduce(transport, values, i));
  if (values.some((value) => value !== 3 * 2 ** (rounds - 1))) throw new Error("all-reduce: wrong sum");
  const trip = await times(trips, (i) => pingPong(transport, i));
  return { allReduce: best(reduced), trip: median(trip) };
}

/** Measures once and prints the ratio. Whether it holds its target. */
export async function threadsTarget(): Promise<boolean> {
  const [from, to] = [new Uint8Array(4 * elements).fill(1), new Uint8Array(4 * elements).fill(2)];
  const copy = best(await times(rounds, () => to.set(from)));
  const wiring = wireThreads([0, 1]);
  const workers = [0, 1].map((thread) => new Worker(new URL(import.meta.url), { workerData: { wiring, thread } }));
  const [[first]] = (await Promise.all(workers.map((worker) => once(worker, "message")))) as [[Times], [Times]];
  const row = (what: string, bytes: number, ms: number): void =>
    console.log(`${what.padEnd(38)}${ms.toFixed(1).padStart(6)} ms ${(bytes / ms / 1e6).toFixed(2).padStart(6)} GB/s`);
  row("plain copy of 64 MiB", 4 * elements, copy);
  row("all-reduce of 64 MiB, bytes delivered", 2 * 4 * elements, first.allReduce);
  const ratio = (2 * copy) / first.allReduce;
  const held = ratio >= target;
  console.log(`ratio ${(100 * ratio).toFixed(0)} % (target ${100 * target} %${held ? "" : ": MISSED"})`);
  console.log(`round trip of 1 KiB: median ${(1000 * first.trip).toFixed(0)} us`);
  return held;
}

async function work({ wiring, thread }: { wiring: ThreadWiring; thread: number }): Promise<void> {
  const transport = joinThreads(wiring, thread).get(thread) as Endpoint;
  parentPort?.postMessage(await measure(transport));
  await transport.close();
}

if (!isMainThread) await work(workerData);
