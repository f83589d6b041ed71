// What every transport does with one frame: check its length, copy it. Knows no transport.
import { elementBytes } from "./dtypes.ts";
import type { Frame } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

/** Throws where the bytes are not exactly what dtype and shape say. `key` names the frame in the message. */
export function checkFrame(key: string, { dtype, shape, data }: Frame): void {
  const size = elementBytes[dtype];
  if (size === undefined)
    throw new Error(`"${key}": dtype ${dtype} is none of ${Object.keys(elementBytes).join(", ")}`);
  const count = shape.reduce((n, dim) => n * dim, 1);
  if (data.byteLength === count * size) return;
  const want = `${dtype} [${shape.join(", ")}] is ${count} x ${size} = ${count * size} bytes`;
  throw new Error(`"${key}": ${want}, but data has ${data.byteLength}`);
}

/** Throws where `rank` is not `0 .. size - 1`. */
export function checkRank(rank: number, size: number): void {
  if (Number.isInteger(rank) && rank >= 0 && rank < size) return;
  throw new Error(`rank ${rank} does not exist: this transport has ranks 0 to ${size - 1}`);
}

/** Copies a frame into memory of its own, aligned to 8. */
export function copyFrame({ dtype, shape, data }: Frame, pool: Pool): Frame {
  const copy = pool.take(data.byteLength);
  copy.set(data);
  return { dtype, shape: [...shape], data: copy };
}

/** Views plain data as a frame. */
export function toFrameOfJson(value: unknown): Frame {
  const data = new TextEncoder().encode(JSON.stringify(value));
  return { dtype: "uint8", shape: [data.length], data };
}

/** Reads what `toFrameOfJson` made. */
export const toJson = <T>({ data }: Frame): T => JSON.parse(new TextDecoder().decode(data)) as T;
