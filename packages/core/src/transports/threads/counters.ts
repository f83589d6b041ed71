// What the threads of one wiring know of each other: bells, credit, who waits, who closed. Counters in shared memory,
// every access atomic. Moves no bytes.

/** Int32 words from one thread's bell to the next: a cache line. */
const bellStride = 16;
/** Credit is counted in words of 8 bytes, so that 16 GiB on the way fit an Int32. */
const wordBytes = 8;

/** Bytes of the counters of `threads` threads and `ranks` ranks. */
export const countersBytes = (threads: number, ranks: number): number =>
  4 * (threads * bellStride + 1 + 3 * ranks + ranks * ranks);

export class Counters {
  readonly #home: readonly number[];
  readonly #credit: number;
  readonly #bells: Int32Array;
  readonly #closings: Int32Array;
  readonly #closed: Int32Array;
  readonly #waits: Int32Array;
  readonly #blocked: Int32Array;
  readonly #unconsumed: Int32Array;

  /** `home[rank]` is the rank's thread; `credit` in bytes. */
  constructor(memory: SharedArrayBuffer, home: readonly number[], credit: number) {
    let at = 0;
    const take = (words: number): Int32Array => {
      at += words * 4;
      return new Int32Array(memory, at - words * 4, words);
    };
    const ranks = home.length;
    this.#home = home;
    this.#credit = Math.floor(credit / wordBytes);
    this.#bells = take((Math.max(...home) + 1) * bellStride);
    this.#closings = take(1);
    this.#closed = take(ranks);
    this.#waits = take(ranks);
    this.#blocked = take(ranks);
    this.#unconsumed = take(ranks * ranks);
  }

  /** Counts what happened that concerns a thread, modulo 2^32. */
  bell(thread: number): number {
    return Atomics.load(this.#bells, thread * bellStride);
  }

  /** Rings the bell of a thread. */
  wake(thread: number): void {
    Atomics.add(this.#bells, thread * bellStride, 1);
    Atomics.notify(this.#bells, thread * bellStride);
  }

  /** Waits until the bell of `thread` no longer reads `bell`; undefined where it already does not. */
  sleep(thread: number, bell: number): Promise<unknown> | undefined {
    const sleep = Atomics.waitAsync(this.#bells, thread * bellStride, bell);
    return sleep.async ? sleep.value : undefined;
  }

  /** Takes credit for a frame, if there is some: what `to` has not consumed of `from` stays within the credit. Let
   * through all the same: the first frame, whatever its size, and any frame while `to` itself waits, for then it
   * cannot consume before others go on. So credit never makes a deadlock that unlimited memory would not have. */
  takeCredit(from: number, to: number, bytes: number): boolean {
    const words = Math.ceil(bytes / wordBytes);
    const pair = from * this.#home.length + to;
    const before = Atomics.load(this.#unconsumed, pair);
    const fits = before === 0 || before + words <= this.#credit;
    if (!fits && Atomics.load(this.#waits, to) === 0) return false;
    Atomics.add(this.#unconsumed, pair, words);
    return true;
  }

  /** Gives credit back: `to` consumed a frame of `from`. */
  giveCredit(from: number, to: number, bytes: number): void {
    Atomics.sub(this.#unconsumed, from * this.#home.length + to, Math.ceil(bytes / wordBytes));
    if (Atomics.load(this.#blocked, to) > 0) this.wake(this.#home[from] as number);
  }

  /** Counts senders that wait for credit with `to`, one more or one less. One more must try again after this. */
  block(to: number, change: 1 | -1): void {
    Atomics.add(this.#blocked, to, change);
  }

  /** Counts what `rank` itself waits for, one more or one less. */
  wait(rank: number, change: 1 | -1): void {
    const before = Atomics.add(this.#waits, rank, change);
    if (before === 0 && Atomics.load(this.#blocked, rank) > 0) this.#wakeAll();
  }

  /** Whether `rank` waits for a frame or for credit; not where what it asked for was there. */
  waits(rank: number): boolean {
    return Atomics.load(this.#waits, rank) > 0;
  }

  /** Says to all threads that `rank` closed. */
  close(rank: number): void {
    Atomics.store(this.#closed, rank, 1);
    Atomics.add(this.#closings, 0, 1);
    this.#wakeAll();
  }

  /** Counts the ranks that closed so far: tells cheaply that `closed` changed. */
  closings(): number {
    return Atomics.load(this.#closings, 0);
  }

  /** Whether `rank` closed. */
  closed(rank: number): boolean {
    return Atomics.load(this.#closed, rank) === 1;
  }

  #wakeAll(): void {
    for (const thread of new Set(this.#home)) this.wake(thread);
  }
}
