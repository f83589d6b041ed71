// Vectors of numbers as frames and back, joined and cut. No copies where memory can be shared; no tensors.
import { type DTypeName, elementBytes } from "../transports/dtypes.ts";
import type { Endpoint, Frame } from "../transports/endpoint.ts";

/** The members of one group, as ranks of the endpoint, in group order; `at` is this member's position. */
export interface Members {
  readonly endpoint: Endpoint;
  readonly ranks: readonly number[];
  readonly at: number;
}

/** Numbers in memory. A Uint16Array holds bfloat16s, bit by bit. */
export type Vector = Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array | Uint16Array;

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bfloat16: Uint16Array,
} as const satisfies Record<DTypeName, unknown>;

/** The dtype whose elements a vector holds. */
export const dtypeOf = (vector: Vector): DTypeName =>
  (Object.keys(arrays) as DTypeName[]).find((name) => vector instanceof arrays[name])!;

/** A new vector of the same kind. */
export const blank = <V extends Vector>(like: V, length: number): V => new arrays[dtypeOf(like)](length) as V;

/** Views a vector's memory as bytes. */
export const toBytes = ({ buffer, byteOffset, byteLength }: Vector): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Views a vector's memory as a frame. */
export const toFrame = (vector: Vector, shape: readonly number[] = [vector.length]): Frame => ({
  dtype: dtypeOf(vector),
  shape,
  data: toBytes(vector),
});

/** Views a frame's memory as numbers. */
export const toVector = ({ dtype, data: { buffer, byteOffset, byteLength } }: Frame): Vector =>
  new arrays[dtype](buffer as ArrayBuffer, byteOffset, byteLength / elementBytes[dtype]);

/** Tells whether each part begins where the one before ends. */
const neighbours = (parts: readonly Vector[]): boolean =>
  parts.every((part, i) => {
    const before = parts[i - 1];
    return !before || (before.buffer === part.buffer && before.byteOffset + before.byteLength === part.byteOffset);
  });

/** Joins at least one part: the same memory where they are neighbours, else a copy. */
export function concat<V extends Vector>(parts: readonly V[]): V {
  const length = lengthOf(parts);
  const first = parts[0]!;
  if (neighbours(parts)) return new arrays[dtypeOf(first)](first.buffer as ArrayBuffer, first.byteOffset, length) as V;
  const whole = blank(first, length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Cuts `whole` into pieces of `sizes`, in the same memory. */
export function cut<V extends Vector>(whole: V, sizes: readonly number[]): V[] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return whole.subarray(at - size, at) as V;
  });
}

/** Counts the elements of all. */
export const lengthOf = (vectors: readonly { readonly length: number }[]): number =>
  vectors.reduce((sum, { length }) => sum + length, 0);

/** Copies `values` into the vectors, read as one, from element `begin` on. */
export function place<V extends Vector>(vectors: readonly V[], values: V, begin: number): void {
  let before = -begin;
  for (const vector of vectors) {
    const part = values.subarray(Math.max(0, before), Math.max(0, before + vector.length));
    if (part.length > 0) vector.set(part, Math.max(0, -before));
    before += vector.length;
  }
}
