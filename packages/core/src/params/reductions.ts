// Gradient reductions that run while the backward goes on, segment by segment, as their gradients are complete
// (Li et al.: PyTorch distributed, VLDB 2020, section 3.2.3). A store starts them and waits for all at the end.

/** Reductions under way. */
export class Reductions {
  readonly #running = new Map<string, Promise<void>>();

  /** `names` are in the hands of `reduce` until `finish`. */
  start(names: readonly string[], reduce: Promise<void>): void {
    reduce.catch(() => {}); // reported by whoever waits
    for (const name of names) this.#running.set(name, reduce);
  }

  /** Waits for those of `names` that were started; the rest, in order. */
  async finish(names: readonly string[]): Promise<string[]> {
    const left = names.filter((name) => !this.#running.has(name));
    await Promise.all(names.map((name) => this.#running.get(name)));
    for (const name of names) this.#running.delete(name);
    return left;
  }
}
