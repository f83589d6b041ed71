// The memory that a tape keeps, by buffer: a clone shares its source's, and is not counted twice.
import type { Meter } from "../../meter.ts";

export class Buffers {
  readonly #meter: Meter;
  readonly #bytes = new Map<object, number>();
  readonly #needed = new Set<object>();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Counts the bytes of a buffer, in place of those counted before. */
  hold(buffer: object, bytes: number): void {
    this.#meter.add("activations", bytes - (this.#bytes.get(buffer) ?? 0));
    this.#bytes.set(buffer, bytes);
  }

  free(buffer: object): void {
    this.hold(buffer, 0);
    this.#bytes.delete(buffer);
  }

  /** Notes that some backward will read it. */
  need(buffer: object): void {
    this.#needed.add(buffer);
  }

  needed = (buffer: object): boolean => this.#needed.has(buffer);
}
