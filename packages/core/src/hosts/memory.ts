// All ranks in this thread, interleaved at their awaits. For tests, and for a look at a mesh without workers.
import { useDevice } from "../devices/index.ts";
import type { Outcome } from "../rank/events.ts";
import { runRank } from "../rank/rank.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { memory as memoryTransports } from "../transports/memory.ts";
import type { Host, HostJob } from "./host.ts";

export interface MemoryOptions {
  /** Milliseconds that a rank waits for a message before the run ends, naming who waits for whom. 60 000 by default. */
  readonly stall?: number;
  /** Wraps each rank's endpoint, to watch or disturb it. */
  readonly wrap?: (endpoint: Endpoint) => Endpoint;
}

/** Every rank in this thread. */
export const memory = ({ stall = 60_000, wrap = (t) => t }: MemoryOptions = {}): Host => ({
  name: "memory",
  async run({ options, plan, events, stop }: HostJob): Promise<Outcome[]> {
    await useDevice(options.device);
    const endpoints = memoryTransports(plan.ranks.length, { stall }).map(wrap);
    const stopped = () => stop.aborted;
    return together(endpoints, (endpoint) => runRank({ options, plan, endpoint, events, stopped }));
  },
});

/**
 * Runs one task a endpoint. On the first failure tells `onFailure`, closes all so that nobody waits for the failed one, and
 * rejects with that first error once all have ended.
 */
export async function together<T>(
  endpoints: readonly Endpoint[],
  run: (endpoint: Endpoint) => Promise<T>,
  onFailure: (error: unknown) => void = () => {},
): Promise<T[]> {
  const failures: unknown[] = [];
  const close = (failure?: string) => Promise.all(endpoints.map((t) => t.close(failure)));
  const guarded = endpoints.map((endpoint) =>
    run(endpoint).catch(async (error) => {
      if (failures.push(error) === 1) onFailure(error);
      await close(error instanceof Error ? error.message : String(error));
      throw error;
    }),
  );
  const settled = await Promise.allSettled(guarded);
  await close();
  if (failures.length) throw failures[0];
  return settled.map((s) => (s as PromiseFulfilledResult<T>).value);
}
