// What one client knows of another: which ranks live there, what it last said, what it was last told. Plain bookkeeping.
import type { Counters } from "@orthant/core/transport-kit";
import type { State } from "../protocol/control.ts";
import type { Shared } from "../shared.ts";

/** Words of 8 bytes count modulo 2^32. */
const since = (now: number, before: number): number => (now - before) >>> 0;

export class Peer {
  /** Its lowest rank. */
  readonly node: number;
  /** Its random name. */
  readonly id: string;
  readonly ranks: ReadonlySet<number>;
  /** Ranks that closed, or were given up. */
  readonly left = new Set<number>();
  /** Heartbeats missed in a row. */
  missed = 0;
  /** Times that it connected again. */
  links = 0;
  /** Parts that it says it published more than once. */
  resent = 0;
  /** Sends there wait for credit with my ranks, or for acknowledgements to end. */
  asks = false;
  /** Ticks in a row that found a send here not resolved. */
  stuck = 0;
  /** Something changed that it should hear of: at once, or soon. */
  due: "now" | "soon" | undefined;
  /** My ranks that it knows to have closed. */
  readonly #seen = new Set<number>();
  #heard = 0;
  #told = 0;
  #toldWords = 0;
  #toldWaiting = "";
  readonly #waiting = new Set<number>();
  readonly #consumed = new Map<number, number>();

  constructor(node: number, id: string, ranks: readonly number[]) {
    this.node = node;
    this.id = id;
    this.ranks = new Set(ranks);
  }

  /** Whether all its ranks left. */
  get gone(): boolean {
    return this.left.size === this.ranks.size;
  }

  /** Whether it will not wait for `rank`, of mine. */
  knows(rank: number): boolean {
    return this.gone || this.#seen.has(rank);
  }

  /** Whether sends here seem to wait for credit with its ranks, or ranks here for its acknowledgements. */
  get asking(): boolean {
    return this.stuck > 1;
  }

  /** Hears a state; true where it is newer than any before. */
  hear({ count, asks, seen, resent }: State): boolean {
    if (count <= this.#heard) return false;
    this.missed = 0; // an old one, said again by somebody else, is no sign of life
    this.#heard = count;
    this.asks = asks;
    this.resent = resent;
    for (const rank of seen) this.#seen.add(rank);
    return true;
  }

  /** Whether it has a new connection: what went to the one before may be lost. */
  linked({ links }: State): boolean {
    const more = links > this.links;
    this.links = links;
    return more;
  }

  /** Remembers what it is told; returns the number of that message. */
  tell(words: number, waiting: readonly number[]): number {
    this.due = undefined;
    this.#toldWords = words;
    this.#toldWaiting = waiting.join();
    return ++this.#told;
  }

  /** Whether it should hear how things stand: it asks and they changed, or much was consumed. */
  lacks(words: number, waiting: readonly number[], much: number): boolean {
    const more = since(words, this.#toldWords);
    return more >= much || (this.asks && (more > 0 || waiting.join() !== this.#toldWaiting));
  }

  /** Carries what it says of its ranks over to the memory where this process looks. */
  mirror({ waiting, consumed, last }: State, counters: Counters, shared: Shared, own: ReadonlySet<number>): void {
    for (const rank of this.ranks) {
      const waits = waiting.includes(rank);
      if (waits === this.#waiting.has(rank)) continue;
      counters.wait(rank, waits ? 1 : -1);
      if (waits) this.#waiting.add(rank);
      else this.#waiting.delete(rank);
    }
    for (const [rank, action] of last)
      if (this.ranks.has(rank) && action !== "" && shared.latest(rank) !== action) shared.record(rank, action);
    for (const [from, to, words] of consumed) {
      if (!own.has(from) || !this.ranks.has(to)) continue;
      const pair = from * shared.size + to;
      const more = since(words, this.#consumed.get(pair) ?? 0);
      this.#consumed.set(pair, words);
      if (more > 0) counters.giveCredit(from, to, more * 8);
    }
  }
}
