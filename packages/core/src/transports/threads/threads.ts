// The threads transport: ranks spread over worker threads, several a thread. Ranks of one thread meet in memory, ranks
// of two threads through shared rings: one copy in, one copy out. No thread ever blocks: while one of its ranks waits,
// the others compute. Not for processes or machines.
import type { Endpoint } from "../endpoint.ts";
import { checkFrame, checkRank } from "../frames.ts";
import { boardBytes } from "./counters.ts";
import { ringMemory } from "./ring.ts";
import { Hub } from "./switch.ts";

export interface WireOptions {
  /** Bytes a sender may have with one receiver that this one did not `recv` yet. Default 64 MiB. */
  readonly credit?: number;
  /** Bytes of each ring, a power of two; there is one for each ordered pair of threads. Default 4 MiB. */
  readonly ring?: number;
}

export interface JoinOptions {
  /** ms after which what waits rejects and names who waits for whom; Infinity for never. Default 60 000. */
  readonly stall?: number;
}

/** Plain data that a worker gets through `workerData`: what connects the threads. */
export interface ThreadWiring {
  /** The thread of each rank. */
  readonly home: readonly number[];
  readonly credit: number;
  readonly board: SharedArrayBuffer;
  /** `rings[from][to]`, by thread; none from a thread to itself. */
  readonly rings: readonly (readonly (SharedArrayBuffer | undefined)[])[];
}

/** Wires `home.length` ranks, rank r at home on thread `home[r]`; threads count from 0, without gaps. */
export function wireThreads(home: readonly number[], options: WireOptions = {}): ThreadWiring {
  const { credit = 64 * 2 ** 20, ring = 4 * 2 ** 20 } = options;
  const threads = Array.from({ length: new Set(home).size }, (_, thread) => thread);
  const missing = threads.find((thread) => !home.includes(thread));
  if (missing !== undefined) throw new Error(`home [${home.join(", ")}]: threads count from 0, ${missing} has no rank`);
  if (!(credit > 0)) throw new Error(`credit ${credit} bytes: must be positive`);
  return {
    home: [...home],
    credit: Math.min(credit, 2 ** 33),
    board: new SharedArrayBuffer(boardBytes(threads.length, home.length)),
    rings: threads.map((from) => threads.map((to) => (from === to ? undefined : ringMemory(ring)))),
  };
}

/** The endpoints, by rank, of the ranks at home on `thread`. To be called once a thread. */
export function joinThreads(wiring: ThreadWiring, thread: number, options: JoinOptions = {}): Map<number, Endpoint> {
  const ranks = wiring.home.flatMap((home, rank) => (home === thread ? [rank] : []));
  if (ranks.length === 0) throw new Error(`thread ${thread} has no rank: home is [${wiring.home.join(", ")}]`);
  const hub = new Hub(wiring, thread, options.stall ?? 60_000);
  return new Map(ranks.map((rank) => [rank, endpoint(hub, rank, wiring.home.length)]));
}

const endpoint = (hub: Hub, rank: number, size: number): Endpoint => ({
  rank,
  size,
  async send(to, key, frame) {
    checkFrame(key, frame);
    for (const receiver of to) checkRank(receiver, size);
    await hub.send({ from: rank, to, key, frame });
  },
  async recv(from, key) {
    checkRank(from, size);
    return hub.recv(rank, from, key);
  },
  recycle: (data) => hub.pool.give(data),
  async close() {
    hub.close(rank);
  },
});
