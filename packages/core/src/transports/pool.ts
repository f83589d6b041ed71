// Memory for frames and their parts, used again once the caller gives it back: the first touch of fresh pages costs 3 to 5
// times the copy into them (32 MiB: 25 ms against 6). Not an allocator: lengths must match exactly, as they do step by step.

/** Bytes below which fresh memory is as fast. */
const smallest = 2 ** 16;

export class Pool {
  /** The memory that is free, by length; the one given last stands last. */
  readonly #free = new Map<number, Uint8Array[]>();
  readonly #limit: number;
  #held = 0;

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes `length` bytes, aligned to 8, with anything in them. */
  take(length: number): Uint8Array {
    const used = this.#free.get(length)?.pop();
    if (used) this.#held -= length;
    return used ?? new Uint8Array(length);
  }

  /** Gives memory back; makes room for it by letting go of the length that was given longest ago. */
  give(data: Uint8Array): void {
    const { length } = data;
    const whole = length === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
    if (!whole || length < smallest || length > this.#limit) return;
    const alike = this.#free.get(length) ?? [];
    this.#free.delete(length);
    while (this.#held + length > this.#limit) this.#letGo(alike);
    alike.push(data);
    this.#free.set(length, alike);
    this.#held += length;
  }

  #letGo(alike: Uint8Array[]): void {
    const [oldest] = this.#free.keys();
    const others = oldest === undefined ? alike : (this.#free.get(oldest) as Uint8Array[]);
    this.#held -= others.pop()?.length ?? 0;
    if (oldest !== undefined && others.length === 0) this.#free.delete(oldest);
  }
}
