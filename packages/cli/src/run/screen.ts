// What the launcher shows: lines of the ranks, each behind who wrote it, and below them, on a terminal, one line of
// progress that stays in place. Pure but for the two functions that it is given.
import { Lines, type Piece } from "./lines.ts";
import { Merge, showRanks, type Told } from "./merge.ts";

export interface ScreenOptions {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Ranks that write here. */
  readonly all: number;
  /** Width of the terminal; undefined where there is none. */
  readonly columns?: (() => number) | undefined;
}

const erase = "\r\x1b[K";

export class Screen {
  readonly #options: ScreenOptions;
  readonly #merge: Merge;
  #progress = "";

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.#merge = new Merge(options.all);
  }

  /** A stream of the process that runs `ranks`: what to call with its bytes, and with undefined when it has ended. */
  stream(ranks: readonly number[], error: boolean): (bytes: Uint8Array | undefined, now: number) => void {
    const lines = new Lines();
    return (bytes, now) => {
      for (const piece of bytes ? lines.hear(bytes) : lines.end()) this.#hear(piece, ranks, error, now);
      this.flush(now);
    };
  }

  /** Shows what has waited enough: to be called now and then. */
  flush(now: number): void {
    const told = this.#merge.take(now);
    const write = (): void => {
      for (const line of told) this.#show(line);
    };
    if (told.length) this.#above(write);
  }

  /** Shows a line of the launcher's own. */
  say(text: string): void {
    this.#above(() => this.#options.error(`orthant run: ${text}\n`));
  }

  /** Shows all that is left, and ends the progress line. */
  close(): void {
    this.flush(Number.POSITIVE_INFINITY);
    this.#settle();
  }

  #hear(piece: Piece, ranks: readonly number[], error: boolean, now: number): void {
    if (piece.kind === "line") this.#merge.add({ text: piece.text, ranks, error }, now);
    else if (piece.kind === "settled") this.#settle();
    else
      this.#above(() => {
        this.#progress = piece.text;
      });
  }

  /** Writes above the progress line. */
  #above(write: () => void): void {
    if (this.#progress) this.#options.out(erase);
    write();
    this.#options.out(this.#progress.slice(0, (this.#options.columns?.() ?? 80) - 1));
  }

  #settle(): void {
    if (this.#progress) this.#options.out("\n");
    this.#progress = "";
  }

  #show({ text, ranks, error }: Told): void {
    this.#options[error ? "error" : "out"](`${showRanks(ranks)} ${text}\n`);
  }
}
