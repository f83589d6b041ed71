// What a client refused, counted by kind, and told in one line now and then: the first, and a flood, at once, then where a kind
// is new or there are twice as many, so that a flood does not flood the terminal too.

import type { State } from "../protocol/control.ts";

/** ms between two reports, and those after which what is no news is told. */
const [every, longest] = [10_000, 60_000];
/** Messages a second, of kinds of one name, that are called a flood. */
const flood = 200;
/** Kinds, at most: the words of an error are the sender's. */
const most = 32;

interface Tally {
  count: number;
  told: number;
}

/** Says what a state claims of its sender's ranks, the gravest of it. */
export function claimOf({ left, opens, consumed, acks }: State): string {
  const claims = [
    ["left", left],
    ["open", opens],
    ["credit", consumed],
    ["acknowledgement", acks],
  ] as const;
  const what = claims.find(([, list]) => list.length > 0)?.[0] ?? "heartbeat";
  return `states ("${what}")`;
}

export class Refusals {
  readonly #tallies = new Map<string, Tally>();
  /** Says, for messages, where a flood is. */
  readonly #where: string;
  readonly #onCount: (more: number) => void;
  #last = "";
  #at = performance.now();
  /** Messages told of; whether the last word was of a flood. */
  #told = 0;
  #flooded = false;

  /** `onCount` hears how many there are more. */
  constructor(where: string, onCount: (more: number) => void) {
    this.#where = where;
    this.#onCount = onCount;
  }

  /** Counts messages; `kind` is their plural, `why` says what the last one was refused for. */
  count(kind: string, why: string, more = 1): void {
    this.#onCount(more);
    const known = this.#tallies.get(kind);
    if (!known && this.#tallies.size >= most) return;
    const tally = known ?? { count: 0, told: 0 };
    this.#tallies.set(kind, tally);
    tally.count += more;
    this.#last = why;
  }

  /** Says what was refused, where that is news and it is time to. */
  report(now: number): string | undefined {
    const fresh = [...this.#tallies].filter(([, { count, told }]) => count > told);
    if (fresh.length === 0) return undefined;
    const since = now - this.#at;
    const total = this.#tallies.values().reduce((sum, { count }) => sum + count, 0);
    const rate = this.#floods(fresh, Math.max(1, since / 1000));
    const news = fresh.some(([, { told }]) => told === 0) || total >= 2 * this.#told;
    const due = this.#told === 0 || (rate !== "" && !this.#flooded) || (since > every && news) || since > longest;
    if (!due) return undefined;
    const all = [...this.#tallies].map(([kind, { count }]) => `${kind} ${thousands(count)}`).join(", ");
    for (const [, tally] of fresh) tally.told = tally.count;
    [this.#at, this.#told, this.#flooded] = [now, total, rate !== ""];
    return `${thousands(total)} messages refused so far, the last one because: ${this.#last}; by kind: ${all}${rate}`;
  }

  /** Names a flood by what it is of, whatever each message was refused for: hellos, frames, states. */
  #floods(fresh: readonly (readonly [kind: string, Tally])[], seconds: number): string {
    const alike = Map.groupBy(fresh, ([kind]) => kind.split(/ of | \(/, 1)[0]!);
    const rates = [...alike].map(
      ([what, kinds]) => [what, kinds.reduce((sum, [, { count, told }]) => sum + count - told, 0) / seconds] as const,
    );
    const high = rates.filter(([, rate]) => rate > flood).map(([what, rate]) => `${thousands(rate)} ${what} a second`);
    return high.length > 0 ? `; ${high.join(" and ")} from unknown clients in ${this.#where}` : "";
  }
}

const thousands = (count: number): string => Math.round(count).toLocaleString("en-US");
