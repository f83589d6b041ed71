// Frames over a ring: the sending and the receiving end between two threads. A frame larger than the ring goes through
// in pieces; one for several ranks of the receiving thread goes through once. Knows no credit.
import type { Frame, WireType } from "../transport.ts";
import type { Pool } from "./pool.ts";
import type { Ring } from "./ring.ts";
import type { Wait, Watch } from "./watch.ts";

/** A frame on its way: from which rank, to which ranks of the receiving thread. */
export interface Parcel {
  readonly from: number;
  readonly to: readonly number[];
  readonly key: string;
  readonly frame: Frame;
}

interface Outgoing extends Wait {
  /** What the ring has not yet taken whole. */
  readonly parts: Uint8Array[];
  begun: boolean;
  readonly resolve: () => void;
}

type Head = [from: number, to: number[], key: string, dtype: WireType, shape: number[]];

/** Two Uint32 in this machine's byte order: bytes of the head (JSON), bytes of the data. */
const prefixBytes = 8;

/** Bytes that bring `length` to a multiple of 8. V8 copies between shared and own memory 4 times slower where the two
 * are not aligned alike (3.6 against 14.6 GB/s), so everything in the stream starts at a multiple of 8. */
const padding = (length: number): number => -length & 7;

const zeros = (count: number): Uint8Array => new Uint8Array(count);

function packHead({ from, to, key, frame }: Parcel): Uint8Array {
  const head = new TextEncoder().encode(JSON.stringify([from, to, key, frame.dtype, frame.shape] satisfies unknown[]));
  const packed = zeros(prefixBytes + head.length + padding(head.length));
  new Uint32Array(packed.buffer, 0, 2).set([head.length, frame.data.length]);
  packed.set(head, prefixBytes);
  return packed;
}

/** What goes into the ring, one after the other; none empty. */
const packed = (parcel: Parcel): Uint8Array[] =>
  [packHead(parcel), parcel.frame.data, zeros(padding(parcel.frame.data.length))].filter((part) => part.length > 0);

/** The other end of `packed`: yields the memory to fill next, never empty; delivers when a frame is complete. */
function* unpacked(pool: Pool, deliver: (parcel: Parcel) => void): Generator<Uint8Array, never> {
  for (;;) {
    const lengths = new Uint32Array(2);
    yield new Uint8Array(lengths.buffer);
    const headLength = lengths[0] as number;
    const dataLength = lengths[1] as number;
    const head = zeros(headLength + padding(headLength));
    yield head;
    const [from, to, key, dtype, shape] = JSON.parse(new TextDecoder().decode(head.subarray(0, headLength))) as Head;
    const data = pool.take(dataLength);
    if (dataLength > 0) yield data;
    if (padding(dataLength) > 0) yield zeros(padding(dataLength));
    deliver({ from, to, key, frame: { dtype, shape, data } });
  }
}

export class Outbox {
  readonly #ring: Ring;
  readonly #waitsFor: string;
  readonly #watch: Watch;
  readonly #wake: () => void;
  readonly #queue: Outgoing[] = [];
  /** Bytes in the ring of the first part of the first in the queue. */
  #done = 0;

  /** `waitsFor` says in messages what a send waits for; `wake` wakes the reader. */
  constructor(ring: Ring, waitsFor: string, watch: Watch, wake: () => void) {
    this.#ring = ring;
    this.#waitsFor = waitsFor;
    this.#watch = watch;
    this.#wake = wake;
  }

  /** Resolves when the last byte is in the ring. Frames leave in the order of the calls. */
  send(parcel: Parcel): Promise<void> {
    return new Promise((resolve, fail) => {
      const { from: rank, key } = parcel;
      const reject = (error: Error): void => fail(this.#abandon(out, error));
      const what = `${this.#waitsFor} "${key}"`;
      const out: Outgoing = { rank, what, parts: packed(parcel), begun: false, resolve, reject };
      this.#queue.push(out);
      if (this.#queue.length === 1) this.flush();
      if (this.#queue.at(-1) === out) this.#watch.begin(out);
    });
  }

  /** Writes what fits. To be called when this thread's bell rang. */
  flush(): void {
    while (this.#queue.length > 0) {
      if (this.#write() > 0) continue;
      this.#ring.stick();
      if (this.#write() === 0) return;
    }
  }

  /** Rejects what `rank`, or every rank, has in the queue. */
  drop(error: Error, rank?: number): void {
    for (const out of [...this.#queue]) if (rank === undefined || out.rank === rank) out.reject(error);
  }

  #write(): number {
    const out = this.#queue[0] as Outgoing;
    const part = out.parts[0] as Uint8Array;
    const moved = this.#ring.write(part, this.#done);
    this.#done += moved;
    if (moved > 0) {
      out.begun = true;
      this.#wake();
    }
    if (this.#done === part.length) this.#endPart(out);
    return moved;
  }

  #endPart(out: Outgoing): void {
    this.#done = 0;
    out.parts.shift();
    if (out.parts.length > 0) return;
    this.#queue.shift();
    this.#watch.end(out);
    out.resolve();
  }

  /** A frame half in the ring must still go through, for others follow it: it does so from a copy, since its memory is
   * the sender's again. */
  #abandon(out: Outgoing, error: Error): Error {
    this.#watch.end(out);
    if (out.begun) out.parts.push(...out.parts.splice(0).map((part) => new Uint8Array(part)));
    else this.#queue.splice(this.#queue.indexOf(out), 1);
    return error;
  }
}

export class Incoming {
  readonly #ring: Ring;
  readonly #wake: () => void;
  readonly #parcels: Generator<Uint8Array, never>;
  #into: Uint8Array;
  #done = 0;

  /** Frames get memory of `pool`; `wake` wakes the writer; `deliver` hears of each frame that is complete. */
  constructor(ring: Ring, pool: Pool, wake: () => void, deliver: (parcel: Parcel) => void) {
    this.#ring = ring;
    this.#wake = wake;
    this.#parcels = unpacked(pool, deliver);
    this.#into = this.#parcels.next().value;
  }

  /** Reads until the ring is empty. To be called when this thread's bell rang. */
  drain(): void {
    for (;;) {
      const moved = this.#ring.read(this.#into, this.#done);
      if (moved === 0) return;
      if (this.#ring.unstick()) this.#wake();
      this.#done += moved;
      if (this.#done < this.#into.length) continue;
      this.#into = this.#parcels.next().value;
      this.#done = 0;
    }
  }
}
