// A byte stream from one thread to another through shared memory: one writer, one reader, neither blocks.
// Lamport, "Proving the Correctness of Multiprocess Programs", 1977. Knows no frames and no ranks.

/** Int32 words before the bytes; the writer's and the reader's word stand on cache lines of their own. */
const controlBytes = 192;
const writtenAt = 0;
const readAt = 16;
const stuckAt = 32;

/** Makes shared memory for a ring that holds `capacity` bytes, a power of two up to 1 GiB. */
export function ringMemory(capacity: number): SharedArrayBuffer {
  if (!(capacity >= 64 && capacity <= 2 ** 30 && Number.isInteger(Math.log2(capacity))))
    throw new Error(`ring ${capacity} bytes: a power of two from 64 to ${2 ** 30}`);
  return new SharedArrayBuffer(controlBytes + capacity);
}

/** One end of a ring. `written` and `read` count bytes modulo 2^32; `written - read` is never more than the capacity. */
export class Ring {
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;
  /** Bytes moved before the other side hears of it: it works on them while the next are moved. */
  readonly #piece: number;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, controlBytes / 4);
    this.#bytes = new Uint8Array(memory, controlBytes);
    this.#piece = Math.max(8, this.#bytes.length / 4);
  }

  /** Copies in what fits of `from`, from `at` on, a piece at most. Returns the number of bytes; 0 where the ring is full. */
  write(from: Uint8Array, at: number): number {
    const written = Atomics.load(this.#control, writtenAt);
    const free = this.#bytes.length - ((written - Atomics.load(this.#control, readAt)) | 0);
    const count = Math.min(free, from.length - at, this.#piece);
    const start = written & (this.#bytes.length - 1);
    const first = Math.min(count, this.#bytes.length - start);
    this.#bytes.set(from.subarray(at, at + first), start);
    if (count > first) this.#bytes.set(from.subarray(at + first, at + count), 0);
    Atomics.store(this.#control, writtenAt, written + count);
    return count;
  }

  /** Copies out into `into`, from `at` on, a piece at most. Returns the number of bytes; 0 where the ring is empty. */
  read(into: Uint8Array, at: number): number {
    const read = Atomics.load(this.#control, readAt);
    const held = (Atomics.load(this.#control, writtenAt) - read) | 0;
    const count = Math.min(held, into.length - at, this.#piece);
    const start = read & (this.#bytes.length - 1);
    const first = Math.min(count, this.#bytes.length - start);
    into.set(this.#bytes.subarray(start, start + first), at);
    if (count > first) into.set(this.#bytes.subarray(0, count - first), at + first);
    Atomics.store(this.#control, readAt, read + count);
    return count;
  }

  /** Says that the writer found the ring full. It must try once more after this: the reader may just have read. */
  stick(): void {
    Atomics.store(this.#control, stuckAt, 1);
  }

  /** Tells, once, that the writer was stuck: the reader, having read, then wakes it. */
  unstick(): boolean {
    return Atomics.load(this.#control, stuckAt) === 1 && Atomics.exchange(this.#control, stuckAt, 0) === 1;
  }
}
