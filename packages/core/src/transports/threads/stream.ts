// Frames over a ring: the sending and the receiving end between two threads. A frame larger than the ring goes through
// in pieces; one for several ranks of the receiving thread goes through once. Knows no credit.

import type { Wait, Watch } from "../watch.ts";
import { type Envelope, type Place, packed, unpacked } from "./envelope.ts";
import type { Ring } from "./ring.ts";

interface Outgoing extends Wait {
  /** What the ring has not yet taken whole. */
  readonly parts: Uint8Array[];
  begun: boolean;
  readonly resolve: () => void;
}

/** Bytes in the ring that the reader is woken for before all that fits is there: waking costs as much as copying these. */
const worthWaking = 2 ** 19;

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
  send(envelope: Envelope): Promise<void> {
    return new Promise((resolve, fail) => {
      const { from: rank, key } = envelope;
      const reject = (error: Error): void => fail(this.#abandon(out, error));
      const what = `${this.#waitsFor} "${key}"`;
      const out: Outgoing = { rank, key, what, parts: packed(envelope), begun: false, resolve, reject };
      this.#queue.push(out);
      if (this.#queue.length === 1) this.flush();
      if (this.#queue.at(-1) === out) this.#watch.begin(out);
    });
  }

  /** Writes what fits. To be called when this thread's bell rang. */
  flush(): void {
    let untold = 0;
    while (this.#queue.length > 0) {
      let moved = this.#write();
      if (moved === 0) {
        this.#ring.stick();
        moved = this.#write();
      }
      if (moved === 0) break;
      untold += moved;
      if (untold < worthWaking) continue;
      this.#wake();
      untold = 0;
    }
    if (untold > 0) this.#wake();
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
    if (moved > 0) out.begun = true;
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
  readonly #memories: Generator<Uint8Array, never>;
  #into: Uint8Array;
  #done = 0;

  /** `place` has the memory for what comes; `wake` wakes the writer. */
  constructor(ring: Ring, place: Place, wake: () => void) {
    this.#ring = ring;
    this.#wake = wake;
    this.#memories = unpacked(place);
    this.#into = this.#memories.next().value;
  }

  /** Reads until the ring is empty, or `most` bytes. To be called when this thread's bell rang. True where some may be left. */
  drain(most = Infinity): boolean {
    for (let left = most; left > 0; ) {
      const moved = this.#ring.read(this.#into, this.#done);
      if (moved === 0) return false;
      if (this.#ring.unstick()) this.#wake();
      left -= moved;
      this.#done += moved;
      if (this.#done < this.#into.length) continue;
      this.#into = this.#memories.next().value;
      this.#done = 0;
    }
    return true;
  }
}
