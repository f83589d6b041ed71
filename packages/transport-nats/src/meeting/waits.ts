// Waits for something to be found: asked again whenever it may be there.

export class Waits {
  readonly #asking = new Set<() => void>();

  /** Resolves to what `find` returns once that is something; rejects with what it throws. */
  until<T>(find: () => T | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const ask = (): void => {
      try {
        const found = find();
        if (found === undefined) return;
        resolve(found);
      } catch (error) {
        reject(error);
      }
      this.#asking.delete(ask);
    };
    this.#asking.add(ask);
    ask();
    return promise;
  }

  /** Asks all that wait. */
  ask(): void {
    for (const ask of [...this.#asking]) ask();
  }
}
