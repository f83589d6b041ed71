// Neighbours made one: what travels together. Pure.

/** Neighbours, together until they have `bytes`. */
export function bucketsOf<T>(items: readonly T[], bytes: number, bytesOf: (item: T) => number): T[][] {
  const buckets: T[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (filled >= bytes) [filled] = [0, buckets.push([])];
    buckets.at(-1)!.push(item);
    filled += bytesOf(item);
  }
  return buckets;
}
