// A wait with an end, in time that this thread saw pass: while it is blocked, or its machine sleeps, none does.

/** Looks per wait: it ends after 1 to 1 + 1/looks of its time. */
const looks = 8;

/** Settles as `work` does, or rejects with `late()` after `ms`, Infinity for never. Keeps the process alive meanwhile. */
export function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  let seen = 0;
  // Beyond 2^31 - 1 ms a timer fires at once.
  const timer = setInterval(() => ++seen > looks && ms !== Infinity && reject(late()), Math.min(ms / looks, 2 ** 30));
  return Promise.race([work, promise]).finally(() => clearInterval(timer));
}
