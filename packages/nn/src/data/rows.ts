// Which row of many a sample is: every row once an epoch, in an order that changes with the epoch and the seed.
import { randomKey, uniformInt } from "@orthant/core";

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);

/** Row of sample `index` among `rows`: an affine permutation of the epoch's rows, by name and seed. */
export function rowOf(index: number, rows: number, seed: number, name: string): number {
  const key = randomKey(seed, name);
  const epoch = Math.floor(index / rows);
  let stride = 1 + uniformInt(key, 2 * epoch, rows);
  while (gcd(stride, rows) !== 1) stride++;
  return (stride * (index % rows) + uniformInt(key, 2 * epoch + 1, rows)) % rows;
}
