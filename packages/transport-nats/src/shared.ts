// What a rank's thread and the client's thread know of each other beside the rings and the counters: what was consumed, what
// was counted, what each rank did last, why one is gone. Shared memory; every counter access atomic.
import { maxFailure, packFailure, unpackFailure } from "./protocol/failure.ts";

/** What the client counts: messages; of them, sent twice, dropped as not of the run, dropped as beyond the credit; and connections. */
const counted = [
  "published",
  "received",
  "resent",
  "duplicates",
  "gaps",
  "refused",
  "beyond",
  "reconnects",
  "cuts",
] as const;
/** Counters that the threads of a process share. */
export type Counts = Record<(typeof counted)[number], number>;

/** The flight recorder keeps this many actions of a rank, */
const kept = 16;
/** each in this many bytes: two for the length, then UTF-8. */
const actionBytes = 128;
const failureBytes = maxFailure + 2;

/** Bytes of the shared memory of `size` ranks. */
export const sharedBytes = (size: number): number =>
  4 * (1 + counted.length + 3 * size + size * size) + size * (kept * actionBytes + failureBytes);

export class Shared {
  readonly size: number;
  readonly #asked: Int32Array;
  readonly #counts: Int32Array;
  readonly #sends: Int32Array;
  readonly #left: Int32Array;
  readonly #actions: Int32Array;
  readonly #consumed: Int32Array;
  readonly #recorder: Uint8Array;
  readonly #failures: Uint8Array;

  constructor(memory: SharedArrayBuffer, size: number) {
    let at = 0;
    const take = (bytes: number): [SharedArrayBuffer, number] => {
      at += bytes;
      return [memory, at - bytes];
    };
    const words = (count: number): Int32Array => new Int32Array(...take(4 * count), count);
    this.size = size;
    this.#asked = words(1);
    this.#counts = words(counted.length);
    this.#sends = words(size);
    this.#left = words(size);
    this.#actions = words(size);
    this.#consumed = words(size * size);
    this.#recorder = new Uint8Array(...take(size * kept * actionBytes));
    this.#failures = new Uint8Array(...take(size * failureBytes));
  }

  /** Whether some other client asks how things stand: wake the client where they change. */
  asked(): boolean {
    return Atomics.load(this.#asked, 0) === 1;
  }

  setAsked(asked: boolean): void {
    Atomics.store(this.#asked, 0, asked ? 1 : 0);
  }

  count(what: keyof Counts, more = 1): void {
    Atomics.add(this.#counts, counted.indexOf(what), more);
  }

  counts(): Counts {
    return Object.fromEntries(counted.map((name, i) => [name, Atomics.load(this.#counts, i)])) as Counts;
  }

  /** Counts sends to `rank` that did not resolve yet, one more or one less. */
  addSend(rank: number, change: 1 | -1): void {
    Atomics.add(this.#sends, rank, change);
  }

  sends(rank: number): number {
    return Atomics.load(this.#sends, rank);
  }

  /** Counts `bytes` of `from` that `to`, of this process, received. */
  consume(from: number, to: number, bytes: number): void {
    Atomics.add(this.#consumed, from * this.size + to, Math.ceil(bytes / 8));
  }

  /** Tells what `to` received of `from`, in words of 8 bytes, modulo 2^32. */
  consumed(from: number, to: number): number {
    return Atomics.load(this.#consumed, from * this.size + to) >>> 0;
  }

  /** Says that the client sent on all that `rank` had sent, and said goodbye. */
  leave(rank: number): void {
    Atomics.store(this.#left, rank, 1);
    Atomics.notify(this.#left, rank);
  }

  hasLeft(rank: number): boolean {
    return Atomics.load(this.#left, rank) === 1;
  }

  /** Waits for `leave`; undefined where that was. */
  untilLeft(rank: number): Promise<unknown> | undefined {
    const wait = Atomics.waitAsync(this.#left, rank, 0);
    return wait.async ? wait.value : undefined;
  }

  /** Blocks this thread until `leave`, `ms` at most. */
  waitLeft(rank: number, ms: number): void {
    Atomics.wait(this.#left, rank, 0, ms);
  }

  record(rank: number, action: string): void {
    const slot = Atomics.add(this.#actions, rank, 1) & (kept - 1);
    writeText(this.#recorder, (rank * kept + slot) * actionBytes, action, actionBytes);
  }

  /** Lists up to 16 last actions, the newest last. */
  recorded(rank: number): string[] {
    const count = Atomics.load(this.#actions, rank) >>> 0;
    const first = Math.max(0, count - kept);
    return Array.from({ length: count - first }, (_, i) => this.#action(rank, first + i));
  }

  /** Tells the newest of them; nothing where there is none. */
  latest(rank: number): string {
    const count = Atomics.load(this.#actions, rank) >>> 0;
    return count > 0 ? this.#action(rank, count - 1) : "";
  }

  /** Says the newest of them, for messages. */
  lastSeen(rank: number): string {
    return `last seen: ${this.latest(rank) || "nothing"}`;
  }

  /** Says why `rank` is gone: one of another process, or of this one where it failed. */
  setFailure(rank: number, failure: Error): void {
    writeText(this.#failures, rank * failureBytes, packFailure(failure), failureBytes);
  }

  /** Tells why `rank` is gone; undefined where nobody said so. */
  failure(rank: number): Error | undefined {
    const text = readText(this.#failures, rank * failureBytes);
    return text === "" ? undefined : unpackFailure(text);
  }

  /** Reads an action, by its number since the start. */
  #action(rank: number, number: number): string {
    return readText(this.#recorder, (rank * kept + (number & (kept - 1))) * actionBytes);
  }
}

const lengthAt = ({ buffer, byteOffset }: Uint8Array, at: number): Uint16Array =>
  new Uint16Array(buffer, byteOffset + at, 1);

function writeText(memory: Uint8Array, at: number, text: string, room: number): void {
  const { written } = new TextEncoder().encodeInto(text, memory.subarray(at + 2, at + room));
  Atomics.store(lengthAt(memory, at), 0, written); // last: who reads meanwhile sees no half of a first text
}

function readText(memory: Uint8Array, at: number): string {
  const length = Atomics.load(lengthAt(memory, at), 0);
  return new TextDecoder().decode(memory.slice(at + 2, at + 2 + length));
}
