// Ranks spread over the worker threads of this process, their frames in shared memory.
import { availableParallelism } from "node:os";
import { joinThreads, type ThreadWiring, wireThreads } from "../transports/threads/threads.ts";
import type { Host, Wire } from "./host.ts";
import { spread } from "./spread.ts";

export interface ThreadsOptions {
  /** Worker threads; one a core by default, never more than ranks. One needs no worker. */
  readonly workers?: number;
  /** The module each worker runs; the program's main module by default. Its `train` call must have the same options. */
  readonly script?: string | URL;
  /** Milliseconds that a rank waits for a message before the run ends, naming who waits for whom. 60 000 by default. */
  readonly stall?: number;
}

const wire = (stall: number): Wire => ({
  name: "threads",
  async open({ plan, threads }) {
    const home: number[] = Array(plan.ranks.length).fill(threads.length); // no thread of this process
    for (const [thread, ranks] of threads.entries()) for (const rank of ranks) home[rank] = thread;
    return wireThreads(home);
  },
  join: (ticket, thread) => joinThreads(ticket as ThreadWiring, thread, { stall }),
});

/** Ranks spread over worker threads of this process. */
export const threads = ({ workers = availableParallelism(), script, stall = 60_000 }: ThreadsOptions = {}): Host =>
  spread(wire(stall), { workers, script });
