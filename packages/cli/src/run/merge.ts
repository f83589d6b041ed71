// Lines that several ranks write at about the same time, told once. Pure: the caller has the clock.

export interface Told {
  readonly text: string;
  /** Who wrote it, ascending. */
  readonly ranks: readonly number[];
  /** On standard error. */
  readonly error: boolean;
}

interface Waiting extends Told {
  readonly ranks: number[];
  /** ms, on the caller's clock. */
  readonly since: number;
}

/** ms that a line waits for its like. */
const window = 200;
/** Lines that wait, at most: what is more is told at once. */
const most = 1000;

/** `[0-3,6]`. */
export function showRanks(ranks: readonly number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const rank of ranks) {
    const last = runs.at(-1);
    if (last?.[1] === rank - 1) last[1] = rank;
    else runs.push([rank, rank]);
  }
  return `[${runs.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(",")}]`;
}

export class Merge {
  #waiting: Waiting[] = [];
  readonly #all: number;

  /** `all`: ranks that may write. A line that all wrote waits no longer. */
  constructor(all: number) {
    this.#all = all;
  }

  /** The lines of a rank keep their order: one joins its like only behind all that the same rank wrote before. */
  add({ text, ranks, error }: Told, now: number): void {
    const after = this.#waiting.findLastIndex((line) => line.ranks.some((rank) => ranks.includes(rank)));
    const like = this.#waiting.find((line, i) => i > after && line.text === text && line.error === error);
    if (!like) this.#waiting.push({ text, ranks: [...ranks], error, since: now });
    else like.ranks.splice(0, like.ranks.length, ...[...like.ranks, ...ranks].sort((a, b) => a - b));
  }

  /** Takes the lines that have waited enough, in order. */
  take(now: number): Told[] {
    const ready = ({ ranks, since }: Waiting, i: number): boolean =>
      ranks.length === this.#all || now - since >= window || this.#waiting.length - i > most;
    const stays = this.#waiting.findIndex((line, i) => !ready(line, i));
    return this.#waiting.splice(0, stays < 0 ? this.#waiting.length : stays);
  }
}
