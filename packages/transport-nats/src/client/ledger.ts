// What the ranks of this process wait for, send and consumed, as the other clients are told: read from shared memory,
// where the ranks' own threads count it.
import type { Counters } from "@orthant/core/transport-kit";
import type { Shared } from "../shared.ts";

export class Ledger {
  readonly #counters: Counters;
  readonly #shared: Shared;
  readonly #ranks: readonly number[];

  /** `ranks` are those of this process. */
  constructor(counters: Counters, shared: Shared, ranks: readonly number[]) {
    this.#counters = counters;
    this.#shared = shared;
    this.#ranks = ranks;
  }

  /** Lists the ranks that wait for something. */
  waiting(): number[] {
    return this.#ranks.filter((rank) => this.#counters.waits(rank));
  }

  /** Whether a send to one of `others` is not resolved. */
  sends(others: Iterable<number>): boolean {
    for (const rank of others) if (this.#shared.sends(rank) > 0) return true;
    return false;
  }

  /** Lists the words of 8 bytes consumed of what each of `others` sent to each own rank. */
  consumed(others: Iterable<number>): [from: number, to: number, words: number][] {
    return [...others].flatMap((from) =>
      this.#ranks.map((to): [number, number, number] => [from, to, this.#shared.consumed(from, to)]),
    );
  }

  /** Sums the same: asked for at every turn, so without a list. */
  words(others: Iterable<number>): number {
    let sum = 0;
    for (const from of others) for (const to of this.#ranks) sum += this.#shared.consumed(from, to);
    return sum;
  }
}
