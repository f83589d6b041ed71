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
    return [...others].some((rank) => this.#shared.sends(rank) > 0);
  }

  /** Lists the words of 8 bytes consumed of what each of `others` sent to each own rank. */
  consumed(others: Iterable<number>): [from: number, to: number, words: number][] {
    return [...others].flatMap((from) =>
      this.#ranks.map((to): [number, number, number] => [from, to, this.#shared.consumed(from, to)]),
    );
  }

  /** Sums the same. */
  words(others: Iterable<number>): number {
    return this.consumed(others).reduce((sum, [, , words]) => sum + words, 0);
  }
}
