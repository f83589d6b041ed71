// What a client refused, counted by kind, and told in one line now and then: at once where a kind is new, later every few
// seconds, so that a flood does not flood the terminal too.

import type { State } from "../protocol/control.ts";

/** ms between two reports of what is no news. */
const every = 10_000;
/** Messages of a kind a second that are called a flood. */
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
  #news = false;

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
    this.#news ||= !known;
    this.#last = why;
  }

  /** Says what was refused since it was said last, where it is time to. */
  report(now: number, due = false): string | undefined {
    const fresh = [...this.#tallies].filter(([, { count, told }]) => count > told);
    if (fresh.length === 0 || !(due || this.#news || now - this.#at > every)) return undefined;
    const seconds = Math.max(1, (now - this.#at) / 1000);
    const floods = fresh.filter(([, { count, told }]) => (count - told) / seconds > flood);
    const rates = floods.map(([kind, { count, told }]) => `${thousands((count - told) / seconds)} ${kind} a second`);
    const all = [...this.#tallies].map(([kind, { count }]) => `${kind} ${thousands(count)}`).join(", ");
    const total = [...this.#tallies.values()].reduce((sum, { count }) => sum + count, 0);
    for (const [, tally] of fresh) tally.told = tally.count;
    [this.#at, this.#news] = [now, false];
    const rate = rates.length > 0 ? `; ${rates.join(" and ")} from unknown clients in ${this.#where}` : "";
    return `${total} messages refused so far, the last one because: ${this.#last}; by kind: ${all}${rate}`;
  }
}

const thousands = (count: number): string => Math.round(count).toLocaleString("en-US");
