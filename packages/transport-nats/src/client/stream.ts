// One sender's parts to one set of receivers: numbered, kept until every receiver has them, sent again from the first
// that one of them misses (go-back-N: the server keeps the order, so what is lost is lost in a row). Publishes nothing.

/** ms between two answers to reports of a gap. */
const patience = 100;

/** A part on the wire. */
export interface Cut {
  readonly bytes: Uint8Array;
  /** May still be on its way out when the last acknowledgement came: its memory is not used again. */
  doubted: boolean;
}

/** A part that was cut, and the bytes of the stream up to its end. */
interface Kept extends Cut {
  readonly end: number;
}

export class Stream {
  readonly from: number;
  readonly set: string;
  readonly subject: string;
  /** Clients that receive it and are still there. */
  readonly nodes: Set<number>;
  readonly #free: (bytes: Uint8Array) => void;
  /** Parts received in order, by client. None while it did not say that it listens. */
  readonly #acked = new Map<number, number>();
  readonly #kept: Kept[] = [];
  /** Number of the first part kept, and bytes before it. */
  #first = 0;
  #start = 0;
  /** Index in `kept` of the next to publish, and of the first that never was. */
  #cursor = 0;
  #fresh = 0;
  /** When a part was published or acknowledged last, ms; times resent since. */
  #moved = 0;
  #tries = 0;
  /** When it went back last, ms. */
  #rewound = Number.NEGATIVE_INFINITY;

  /** `free` gets back the memory of a part that every receiver has. */
  constructor(from: number, set: string, subject: string, nodes: readonly number[], free: (bytes: Uint8Array) => void) {
    this.from = from;
    this.set = set;
    this.subject = subject;
    this.nodes = new Set(nodes);
    this.#free = free;
  }

  /** Whether every receiver listens. */
  get open(): boolean {
    return this.nodes.size === this.#acked.size;
  }

  /** Whether `node` said that it listens. */
  listens(node: number): boolean {
    return this.#acked.has(node);
  }

  /** Whether something, published or not, is not yet with every receiver. */
  get busy(): boolean {
    return this.#kept.length > 0;
  }

  /** Bytes to publish. */
  get ahead(): number {
    return this.#endOf(this.#kept.length) - this.#endOf(this.#cursor);
  }

  /** Takes the next part; `seal` makes it, given its number. */
  push(seal: (seq: number) => Uint8Array): void {
    const bytes = seal(this.#first + this.#kept.length);
    if (this.nodes.size === 0) this.#free(bytes);
    else this.#kept.push({ bytes, doubted: false, end: this.#endOf(this.#kept.length) + bytes.length });
  }

  /** The part to publish next. */
  next(): Cut | undefined {
    return this.#kept[this.#cursor];
  }

  /** Says that the part of `next` was published. True where it was before. */
  published(now: number): boolean {
    const again = this.#cursor < this.#fresh;
    this.#cursor += 1;
    this.#fresh = Math.max(this.#fresh, this.#cursor);
    this.#moved = now;
    return again;
  }

  /** Bytes published that `node` did not acknowledge. */
  flying(node: number): number {
    const acked = (this.#acked.get(node) ?? 0) - this.#first;
    return this.nodes.has(node) ? Math.max(0, this.#endOf(this.#cursor) - this.#endOf(acked)) : 0;
  }

  /** Hears that `node` has the first `parts` parts, and where `gap`, misses the next one but not all after it. */
  acknowledge(node: number, parts: number, gap: boolean, now: number): void {
    if (!this.nodes.has(node) || parts > this.#first + this.#kept.length) return;
    const before = this.#acked.get(node);
    this.#acked.set(node, Math.max(before ?? 0, parts));
    if (before !== undefined && parts > before) this.#progress(now);
    this.#release();
    // Every part that comes too early is reported: they must not make it go back again and again.
    if (gap && parts === this.#acked.get(node) && now - this.#rewound > patience) this.rewind(now);
  }

  /** Publishes again whatever is not acknowledged by all. */
  rewind(now: number): void {
    this.#doubt();
    this.#cursor = 0;
    this.#moved = now;
    this.#rewound = now;
  }

  /** Rewinds where nothing moved for `timeout` ms, doubled at each try, 16 times as long at most. True where it did. */
  retry(now: number, timeout: number): boolean {
    if (this.#cursor === 0 || now - this.#moved < timeout * 2 ** this.#tries) return false;
    this.#tries = Math.min(4, this.#tries + 1);
    this.rewind(now);
    return true;
  }

  /** Drops `node` as a receiver. */
  drop(node: number): void {
    this.#doubt(); // nobody may ever say that these went out
    this.nodes.delete(node);
    this.#acked.delete(node);
    this.#release();
  }

  #progress(now: number): void {
    this.#moved = now;
    this.#tries = 0;
  }

  #doubt(): void {
    for (const kept of this.#kept.slice(0, this.#cursor)) kept.doubted = true;
  }

  /** Frees what every receiver has. */
  #release(): void {
    if (!this.open) return;
    const parts = Math.min(...this.#acked.values(), this.#first + this.#kept.length) - this.#first;
    const freed = this.#kept.splice(0, parts);
    this.#first += freed.length;
    this.#start = freed.at(-1)?.end ?? this.#start;
    this.#cursor = Math.max(0, this.#cursor - freed.length);
    this.#fresh = Math.max(0, this.#fresh - freed.length);
    for (const { bytes, doubted } of freed) if (!doubted) this.#free(bytes);
  }

  #endOf(count: number): number {
    return count > 0 ? (this.#kept[count - 1]?.end ?? this.#start) : this.#start;
  }
}
