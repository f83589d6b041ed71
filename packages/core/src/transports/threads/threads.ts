// The threads transport: ranks spread over worker threads, several a thread. Ranks of one thread meet in memory, ranks
// of two threads through shared rings: one copy in, one copy out. No thread ever blocks: while one of its ranks waits,
// the others compute. Not for processes or machines.
import { availableParallelism } from "node:os";
import { meshSize } from "../../mesh.ts";
import type { Endpoint } from "../endpoint.ts";
import { checkFrame, checkRank } from "../frames.ts";
import type { Transport } from "../transport.ts";
import { Switch } from "./switch.ts";
import { homesOf, type ThreadWiring, wireThreads } from "./wiring.ts";

export interface JoinOptions {
  /** ms after which what waits rejects and names who waits for whom; Infinity for never. Default 60 000. */
  readonly stall?: number | undefined;
}

/** Options of `threads()`. */
export interface ThreadsOptions extends JoinOptions {
  /** Worker threads; one a core by default, never more than ranks. One needs no worker. */
  readonly workers?: number;
  /** The module each worker runs; the program's main module by default. Its `train` call must have the same options. */
  readonly script?: string | URL;
}

/** Carries frames between ranks that are spread over worker threads of this process. */
export const threads = ({ workers = availableParallelism(), script, stall }: ThreadsOptions = {}): Transport => ({
  name: "threads",
  workers,
  stall,
  script,
  open: async ({ mesh, threads }) => wireThreads(homesOf(meshSize(mesh), threads)),
  join: (wiring: ThreadWiring, thread) => joinThreads(wiring, thread, { stall }),
});

/** Makes the endpoints, by rank, of the ranks at home on `thread`. To be called once a thread. */
export function joinThreads(wiring: ThreadWiring, thread: number, options: JoinOptions = {}): Map<number, Endpoint> {
  const ranks = wiring.home.flatMap((home, rank) => (home === thread ? [rank] : []));
  if (ranks.length === 0) throw new Error(`thread ${thread} has no rank: home is [${wiring.home.join(", ")}]`);
  const own = new Switch(wiring, thread, options.stall ?? 60_000);
  return new Map(ranks.map((rank) => [rank, endpoint(own, rank, wiring.home.length)]));
}

const endpoint = (own: Switch, rank: number, size: number): Endpoint => ({
  rank,
  size,
  async send(to, key, frame) {
    checkFrame(key, frame);
    for (const receiver of to) checkRank(receiver, size);
    await own.send({ from: rank, to, key, frame });
  },
  async recv(from, key) {
    checkRank(from, size);
    return own.recv(rank, from, key);
  },
  recycle: (data) => own.pool.give(data),
  async close() {
    own.close(rank);
  },
});
