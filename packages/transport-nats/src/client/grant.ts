// What this process lets each sender have on the way to it. A server cuts off who reads too slowly for what it holds for
// it (max_pending, write_deadline): at each cut that grant is halved, and it grows again slowly; where cuts go on with the
// least of it, this process is the slow consumer and says so. Congestion avoidance as in Jacobson, 1988. Knows no server.

import { LostRankError } from "@orthant/core/transport-kit";
import { showServers } from "../connection/dial.ts";
import type { ClientJob } from "../job.ts";

/** Bytes, at least: what is smaller is let through one by one. */
const least = 2 ** 16;
/** ms without a cut after which it grows, doubled. */
const calm = 10_000;
/** Cuts within these ms, all with the least granted, that end the run. */
const limit = { cuts: 10, ms: 60_000 } as const;

export class Grant {
  /** Bytes. */
  #window: number;
  readonly #full: number;
  #changed = 0;
  /** When the server cut this process off though it had the least, ms. */
  #cuts: number[] = [];

  constructor(window: number) {
    this.#full = Math.floor(Math.min(window, 2 ** 31 - 1));
    this.#window = this.#full;
  }

  get window(): number {
    return this.#window;
  }

  /** Hears of a cut. Returns how many there were of late, where they are too many. */
  cut(now: number): number | undefined {
    if (this.#window <= least) this.#cuts = [...this.#cuts.filter((at) => now - at < limit.ms), now];
    this.#window = Math.max(Math.min(least, this.#full), Math.floor(this.#window / 2));
    this.#changed = now;
    return this.#cuts.length >= limit.cuts ? this.#cuts.length : undefined;
  }

  /** Grows where all was calm. True where it did. */
  grow(now: number): boolean {
    if (this.#window === this.#full || now - this.#changed < calm) return false;
    this.#window = Math.min(this.#full, this.#window * 2);
    this.#changed = now;
    return true;
  }
}

/** Names this process as the slow consumer that ends the run. */
export function slowError({ ranks, servers }: ClientJob, cuts: number, window: number): LostRankError {
  const how = `${showServers(servers)} cut its connection ${cuts} times in a minute`;
  const way = "raise max_pending and write_deadline of the server, or give the process a core";
  const reason = `rank ${ranks.join(", ")} is a slow consumer: ${how} with ${window} bytes of each sender on the way: ${way}`;
  return new LostRankError({ rank: Math.min(...ranks), reason });
}
