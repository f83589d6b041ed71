// Sides of a sample as people have them, made into one array of numbers: typed arrays, tensors, or several of either, one after the other.
import type { Values } from "@orthant/core";

/** A tensor as far as it is read here: it is freed once it was read. */
export interface TensorSide {
  readonly dataId: object;
  data(): Promise<unknown>;
  dispose(): void;
}

/** Numbers of one side of a sample; a list or a record of them is one after the other, in its order. */
export type Side = Values | TensorSide | readonly Side[] | { readonly [name: string]: Side };

const isValues = (side: unknown): side is Values => side instanceof Float32Array || side instanceof Int32Array;
const isTensor = (side: unknown): side is TensorSide => typeof side === "object" && side !== null && "dataId" in side;

/** What a list or a record holds; undefined where it is neither. */
export function partsOf(side: unknown): readonly unknown[] | undefined {
  if (Array.isArray(side)) return side;
  const prototype = typeof side === "object" && side !== null && Object.getPrototypeOf(side);
  return prototype === Object.prototype || prototype === null ? Object.values(side as object) : undefined;
}

/** Joins arrays to one: int32 where all are, else float32. */
function joined(parts: readonly Values[]): Values {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  const all = parts.every((part) => part instanceof Int32Array) ? new Int32Array(size) : new Float32Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Reads a side. What is no side comes back as it is, to be refused with the number of its sample. */
export async function toValues(side: unknown): Promise<Values> {
  if (isTensor(side)) {
    const values = (await side.data()) as Values;
    side.dispose();
    return values;
  }
  const parts = partsOf(side);
  if (!parts?.length) return side as Values;
  const read = await Promise.all(parts.map(toValues));
  return read.every(isValues) ? joined(read) : (side as Values);
}
