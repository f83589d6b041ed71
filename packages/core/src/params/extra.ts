// What a strategy carries on one rank from a step to the next, beside values and optimizer state: the outer momentum of DiLoCo, what
// an int8 sum has lost so far. A checkpoint has it too (PyTorch calls the like `get_extra_state`).

/** Vectors of one layer of a store, or of one wire, by names that are the same after each step. */
export interface ExtraState {
  /** Lists them as they are after a step. Read at once, or copied, before the next one begins. */
  read(): ReadonlyMap<string, Float32Array> | Promise<ReadonlyMap<string, Float32Array>>;
  /**
   * Takes back what `read` gave, before the first step, on the same rank of the same mesh under the same list of strategies. Not called
   * where one of these differs: then it begins as in a new run. What it does not know by its name or its length it drops.
   */
  write(vectors: ReadonlyMap<string, Float32Array>): void | Promise<void>;
}

/** Extra state by whose it is. */
export type Extras = ReadonlyMap<string, ExtraState>;

/** Whose a vector is, and its name, in one. */
const joined = (owner: string, name: string): string => `${owner}: ${name}`;

/** Reads all extra state of a rank; vectors without elements are left out. */
export async function readExtras(extras: Extras): Promise<Map<string, Float32Array>> {
  const all: [string, Float32Array][] = [];
  for (const [owner, extra] of extras)
    for (const [name, vector] of await extra.read()) if (vector.length) all.push([joined(owner, name), vector]);
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1))); // in one order, whatever was called first
}

/** Hands extra state back to those whose it is. */
export async function writeExtras(extras: Extras, all: ReadonlyMap<string, Float32Array>): Promise<void> {
  for (const [owner, extra] of extras) {
    const start = joined(owner, "");
    const mine = [...all].filter(([name]) => name.startsWith(start));
    if (mine.length) await extra.write(new Map(mine.map(([name, vector]) => [name.slice(start.length), vector])));
  }
}
