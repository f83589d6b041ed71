// All ranks in this thread, interleaved at their awaits. For tests, and for a look at a mesh without workers.
import { useDevice } from "../devices/index.ts";
import type { Outcome } from "../events.ts";
import type { Host, HostJob } from "../host.ts";
import { runRank } from "../rank.ts";
import type { Transport } from "../transport.ts";
import { memory as memoryTransports } from "../transports/memory.ts";

export interface MemoryOptions {
  /** Milliseconds that a rank waits for a message before the run ends, naming who waits for whom. 60 000 by default. */
  readonly stall?: number;
  /** Wraps each rank's transport, to watch or disturb it. */
  readonly wrap?: (transport: Transport) => Transport;
}

/** Every rank in this thread. */
export const memory = ({ stall = 60_000, wrap = (t) => t }: MemoryOptions = {}): Host => ({
  name: "memory",
  async run({ options, plan, events, stop }: HostJob): Promise<Outcome[]> {
    await useDevice(options.device);
    const transports = memoryTransports(plan.ranks.length, { stall }).map(wrap);
    const stopped = () => stop.aborted;
    return together(transports, (transport) => runRank({ options, plan, transport, events, stopped }));
  },
});

/**
 * Runs one task a transport. On the first failure tells `onFailure`, closes all so that nobody waits for the failed one, and
 * rejects with that first error once all have ended.
 */
export async function together<T>(
  transports: readonly Transport[],
  run: (transport: Transport) => Promise<T>,
  onFailure: (error: unknown) => void = () => {},
): Promise<T[]> {
  const failures: unknown[] = [];
  const close = (failure?: string) => Promise.all(transports.map((t) => t.close(failure)));
  const guarded = transports.map((transport) =>
    run(transport).catch(async (error) => {
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
