// One rank's endpoint: the threads transport's, which moves the bytes and keeps the credit, and beside it what the other
// processes need to hear: what was consumed, who waits, what each rank did last. Adds to errors why a rank is gone.
import { setTimeout } from "node:timers/promises";
import { ClosedError, type Counters, type Endpoint, LostRankError, StallError } from "@orthant/core/transport-kit";
import { maxKey } from "../protocol/frame.ts";
import type { Counts, Shared } from "../shared.ts";

/** Endpoint over NATS, which counts what it carries. */
export interface NatsEndpoint extends Endpoint {
  /** Tells what this process's client counted so far: it counts on its own thread, so a frame may arrive first. Whole once closed. */
  counts(): Counts;
  /** Lists the last actions that are known of a rank, the newest last; of other processes, one a heartbeat. */
  recorded(rank: number): string[];
}

/** What the endpoint needs of its process. */
export interface Surroundings {
  readonly shared: Shared;
  readonly counters: Counters;
  /** Ranks that live in other processes. */
  readonly far: ReadonlySet<number>;
  /** Wakes the client. */
  readonly wake: () => void;
  /** ms that a stall waits to be explained by a rank that is nearer to its cause. */
  readonly grace: number;
}

function checkKey(key: string): void {
  const bytes = key.length * 3 <= maxKey ? 0 : new TextEncoder().encode(key).length;
  if (bytes > maxKey) throw new Error(`a key of ${bytes} bytes: at most ${maxKey}`);
}

/** Rejects, but not at once where `from` waits itself: who waits for the rank that is to blame tells all others then. */
async function held(error: Error, from: number, { shared, counters, grace }: Surroundings): Promise<never> {
  const end = performance.now() + grace;
  const unexplained = (): boolean => counters.waits(from) && !shared.failure(from) && performance.now() < end;
  while (error instanceof StallError && unexplained()) await setTimeout(50);
  throw error;
}

/** Tells the same error with what is known of the ranks it names. */
function explained(error: Error, from: number | undefined, key: string, { shared, far }: Surroundings): Error {
  const gone = error instanceof ClosedError ? error.rank : from;
  const failure = gone !== undefined && far.has(gone) ? shared.failure(gone) : undefined;
  if (gone !== undefined && failure) return lostBy(failure, gone, error);
  if (from === undefined || !(error instanceof StallError)) return error;
  const waited = `rank ${from} never entered ${key} (${shared.lastSeen(from)}); ${error.message}`;
  return new StallError(waited, error.waits, error);
}

/** The end of a wait for `gone`: the rank to blame is the one that `failure` names, where it names one. */
function lostBy(failure: Error, gone: number, waited: Error): LostRankError {
  const waiting = waited.message;
  if (!(failure instanceof LostRankError))
    return new LostRankError({ rank: gone, reason: failure.message, waiting }, failure);
  const { rank, reason, cause = waited } = failure;
  return new LostRankError({ rank, reason, waiting }, cause);
}

export function endpoint(inner: Endpoint, around: Surroundings): NatsEndpoint {
  const { rank, size } = inner;
  const { shared, counters, far, wake } = around;
  /** Wakes the client where what just began waits: others may let through what they hold back once they know that this rank waits. */
  const tellWaits = <T>(work: Promise<T>): Promise<T> => {
    if (shared.asked() && counters.waits(rank)) wake();
    return work;
  };
  return {
    rank,
    size,
    async send(to, key, frame) {
      checkKey(key);
      const receivers = to.filter((receiver) => far.has(receiver));
      shared.record(rank, key);
      for (const receiver of receivers) shared.addSend(receiver, 1);
      try {
        await tellWaits(inner.send(to, key, frame));
      } catch (error) {
        throw explained(error as Error, undefined, key, around);
      } finally {
        for (const receiver of receivers) shared.addSend(receiver, -1);
      }
    },
    async recv(from, key) {
      shared.record(rank, key);
      try {
        const frame = await tellWaits(inner.recv(from, key).catch((error: Error) => held(error, from, around)));
        shared.consume(from, rank, frame.data.length);
        if (shared.asked()) wake();
        return frame;
      } catch (error) {
        throw explained(error as Error, from, key, around);
      }
    },
    recycle: (data) => inner.recycle?.(data),
    async close(failure) {
      if (failure) shared.setFailure(rank, failure);
      await inner.close();
      while (far.size > 0 && !shared.hasLeft(rank)) await Promise.race([shared.untilLeft(rank), setTimeout(50)]);
    },
    counts: () => shared.counts(),
    recorded: (other) => shared.recorded(other),
  };
}
