// Names stalls: the waits of one thread's ranks, looked over by one timer. The timer keeps the process alive only while
// somebody waits: `Atomics.waitAsync` alone does not on Node, and a stall must be told, not exited from.
import { clearInterval, setInterval } from "node:timers";
import { StallError, type WaitingRank } from "../errors.ts";

export interface Wait extends WaitingRank {
  /** What it waits for, as the message says it: `rank 0: "tp.all-reduce step 3"`. */
  readonly what: string;
  readonly reject: (error: Error) => void;
}

/** The timer looks this many times per stall time: a stall is told after 1 to 1 + 1/looks of it. */
const looks = 8;
/** Waits and arrivals named in one message, at most. */
const named = 16;

const list = (parts: readonly string[]): string =>
  parts.length > named ? [...parts.slice(0, named), `and ${parts.length - named} more`].join("; ") : parts.join("; ");

const fieldsOf = ({ rank, from, to, key }: Wait): WaitingRank => ({
  rank,
  ...(from !== undefined && { from }),
  ...(to !== undefined && { to }),
  key,
});

export class Watch {
  readonly #waits = new Map<Wait, number>();
  readonly #arrived: () => readonly string[];
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #now = 0;

  /** `stall` in ms, Infinity for never; `arrived` lists what came and nobody asked for. */
  constructor(stall: number, arrived: () => readonly string[]) {
    if (!(stall > 0)) throw new Error(`stall ${stall} ms: a positive number, or Infinity to wait for ever`);
    this.#arrived = arrived;
    // Beyond 2^31 - 1 ms a timer fires at once; looking every 12 days then serves to keep the process alive.
    this.#timer = setInterval(() => stall !== Infinity && this.#look(), Math.min(stall / looks, 2 ** 30));
    this.#timer.unref();
  }

  /** Looks at a wait from now on. */
  begin(wait: Wait): void {
    if (this.#waits.size === 0) this.#timer?.ref();
    this.#waits.set(wait, this.#now);
  }

  /** Looks at it no more. */
  end(wait: Wait): void {
    if (this.#waits.delete(wait) && this.#waits.size === 0) this.#timer?.unref();
  }

  /** Ends the timer. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Time is counted in looks: a long computation that blocks this thread does not count as a stall. */
  #look(): void {
    this.#now += 1;
    const late = [...this.#waits].filter(([, since]) => this.#now - since > looks).map(([wait]) => wait);
    const errors = late.map((wait) => this.#stalled(wait));
    for (const [i, wait] of late.entries()) wait.reject(errors[i] as Error);
  }

  #stalled(first: Wait): StallError {
    const all = [first, ...[...this.#waits.keys()].filter((wait) => wait !== first)];
    const waits = all.map(({ rank, what }) => `rank ${rank} waits for ${what}`);
    const arrived = this.#arrived();
    const more = arrived.length ? `. Arrived, not asked for: ${list(arrived)}` : "";
    return new StallError(`stalled: ${list(waits)}${more}`, all.map(fieldsOf));
  }
}
