// A wait for samples that says, in a line, that it is the data that is slow, and for which sample; and that ends with that, before other
// ranks would call it a stall.

/** ms after which a rank says so: again after twice that, and so on. */
const first = 5000;

export interface Patience {
  /** Told of the first sample that is not there, and of how long a wait it was so far, in ms. */
  say(at: number, ms: number): void;
  /** Makes the error of a wait that took too long. */
  late(at: number, ms: number): Error;
  /** ms before `late`; Infinity for never. */
  readonly limit: number;
  /** ms before `say`. 5000 by default. */
  readonly after?: number;
}

/** Waits for all. Rejects with `late` after `limit`. */
export function withPatience<T>(samples: readonly (T | Promise<T>)[], patience: Patience): Promise<T[]> {
  const { say, late, limit, after = first } = patience;
  const missing = new Set(samples.keys());
  const all = samples.map(async (sample, at) => {
    const found = await sample;
    missing.delete(at);
    return found;
  });
  const from = performance.now();
  let next = after;
  const { promise, reject } = Promise.withResolvers<never>();
  const look = () => {
    const [at] = missing;
    const ms = performance.now() - from;
    if (at === undefined || ms < Math.min(next, limit)) return;
    next *= 2;
    if (ms < limit) say(at, ms);
    else reject(late(at, ms));
  };
  const timer = setInterval(look, Math.max(1, Math.min(after, limit) / 8));
  return Promise.race([Promise.all(all), promise]).finally(() => clearInterval(timer));
}
