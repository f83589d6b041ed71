// Memory for received frames, used again once the caller gives it back: the first touch of fresh pages costs 3 to 5 times
// the copy into them (32 MiB: 25 ms against 6). Not an allocator: lengths must match exactly, as they do step by step.

/** Bytes below which fresh memory is as fast. */
const smallest = 2 ** 16;

export class Pool {
  readonly #free = new Map<number, Uint8Array[]>();
  readonly #limit: number;
  #held = 0;

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `length` bytes, aligned to 8, with anything in them. */
  take(length: number): Uint8Array {
    const used = this.#free.get(length)?.pop();
    if (used) this.#held -= length;
    return used ?? new Uint8Array(length);
  }

  give(data: Uint8Array): void {
    const whole = data.byteLength === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
    if (!whole || data.length < smallest || this.#held + data.length > this.#limit) return;
    const alike = this.#free.get(data.length);
    if (alike) alike.push(data);
    else this.#free.set(data.length, [data]);
    this.#held += data.length;
  }
}
