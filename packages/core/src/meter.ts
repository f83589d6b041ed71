// Counts the bytes one rank holds, by kind, and their peak. Every owner of a tensor reports to it; it owns nothing.
import * as tf from "@tensorflow/tfjs";

/** Kinds of bytes that a rank holds. */
export type Kind = "params" | "grads" | "optimizer" | "activations";
/** Bytes by kind. */
export type HeldBytes = Record<Kind, number>;

const none = (): HeldBytes => ({ params: 0, grads: 0, optimizer: 0, activations: 0 });

/** Bytes of a tensor's elements. */
export const tensorBytes = ({ size, dtype }: tf.Tensor): number => size * tf.util.bytesPerElement(dtype);

/** Adds up all kinds. */
export const totalOf = ({ params, grads, optimizer, activations }: HeldBytes): number =>
  params + grads + optimizer + activations;

/** `parameters 8 + gradients 4 + optimizer 16 + activations 2 = 30`: for messages. */
export const showHeld = (held: HeldBytes): string =>
  `parameters ${held.params} + gradients ${held.grads} + optimizer ${held.optimizer} + ` +
  `activations ${held.activations} = ${totalOf(held)}`;

/** Counter of the bytes that a rank holds, by kind. */
export class Meter {
  readonly #cap: number;
  readonly now: HeldBytes = none();
  /** Each kind at its own peak. */
  readonly peak: HeldBytes = none();
  /** All kinds together at the worst moment, in bytes. */
  peakTotal = 0;

  /** `cap`: bytes that all kinds together may not pass. */
  constructor(cap = Number.POSITIVE_INFINITY) {
    this.#cap = cap;
  }

  /** `bytes` is negative when memory is freed. Throws where the cap is passed: more is held than was planned. */
  add(kind: Kind, bytes: number): void {
    this.now[kind] += bytes;
    this.peak[kind] = Math.max(this.peak[kind], this.now[kind]);
    const total = totalOf(this.now);
    this.peakTotal = Math.max(this.peakTotal, total);
    if (bytes > 0 && total > this.#cap)
      throw new Error(`more is held than capBytes ${this.#cap} allows: ${showHeld(this.now)} bytes`);
  }
}
