// What connects the threads of a process: shared memory alone, which crosses to a worker through `workerData`.
import { countersBytes } from "./counters.ts";
import { ringMemory } from "./ring.ts";

/** Options of `wireThreads()`. */
export interface WiringOptions {
  /** Bytes a sender may have with one receiver that this one did not `recv` yet. Default 64 MiB. */
  readonly credit?: number;
  /** Bytes of each ring, a power of two; there is one for each ordered pair of threads. Default 4 MiB. */
  readonly ring?: number;
}

/** Shared memory between threads, and which of them each rank is at home in. */
export interface ThreadWiring {
  /** The thread of each rank. */
  readonly home: readonly number[];
  /** Bytes. */
  readonly credit: number;
  readonly counters: SharedArrayBuffer;
  /** `rings[from][to]`, by thread; none from a thread to itself. */
  readonly rings: readonly (readonly (SharedArrayBuffer | undefined)[])[];
}

/** Wires `home.length` ranks, rank r at home on thread `home[r]`; threads count from 0, without gaps. */
export function wireThreads(home: readonly number[], options: WiringOptions = {}): ThreadWiring {
  const { credit = 64 * 2 ** 20, ring = 4 * 2 ** 20 } = options;
  const threads = Array.from({ length: new Set(home).size }, (_, thread) => thread);
  const missing = threads.find((thread) => !home.includes(thread));
  if (missing !== undefined) throw new Error(`home [${home.join(", ")}]: threads count from 0, ${missing} has no rank`);
  if (!(credit > 0)) throw new Error(`credit ${credit} bytes: must be positive`);
  return {
    home: [...home],
    credit: Math.min(credit, 2 ** 33),
    counters: new SharedArrayBuffer(countersBytes(threads.length, home.length)),
    rings: threads.map((from) => threads.map((to) => (from === to ? undefined : ringMemory(ring)))),
  };
}

/** Finds the home of each of `size` ranks, given the ranks of each thread; all others share one thread, after these. */
export function homesOf(size: number, threads: readonly (readonly number[])[]): number[] {
  const home: number[] = Array(size).fill(threads.length);
  for (const [thread, ranks] of threads.entries()) for (const rank of ranks) home[rank] = thread;
  return home;
}
