// Counts the bytes one rank holds, by kind, and their peak. Every owner of a tensor reports to it; it owns nothing.

export type Kind = "params" | "grads" | "optimizer" | "activations";
/** Bytes by kind. */
export type HeldBytes = Record<Kind, number>;

const none = (): HeldBytes => ({ params: 0, grads: 0, optimizer: 0, activations: 0 });

export class Meter {
  readonly now: HeldBytes = none();
  /** Each kind at its own peak. */
  readonly peak: HeldBytes = none();
  /** All kinds together at the worst moment, in bytes. */
  peakTotal = 0;

  /** `bytes` is negative when memory is freed. */
  add(kind: Kind, bytes: number): void {
    this.now[kind] += bytes;
    this.peak[kind] = Math.max(this.peak[kind], this.now[kind]);
    const total = this.now.params + this.now.grads + this.now.optimizer + this.now.activations;
    this.peakTotal = Math.max(this.peakTotal, total);
  }
}
