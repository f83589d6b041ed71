// Matrices in the emulator's memory, which is this process's, as float32 and back.
import koffi from "koffi";
import type { MatrixType } from "../../src/driver/gpu.ts";

export const viewOf = (address: number, bytes: number): ArrayBuffer => koffi.view(BigInt(address), bytes);

/** Halves of float32 numbers as float32. */
export function fromBf16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** Rounds to nearest, ties to even. */
export function toBf16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.slice().buffer);
  return Uint16Array.from(words, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
}

export const read = (type: MatrixType, address: number, count: number): Float32Array =>
  type === "f32"
    ? new Float32Array(viewOf(address, 4 * count)).slice()
    : fromBf16(new Uint16Array(viewOf(address, 2 * count)));

export function write(type: MatrixType, address: number, values: Float32Array): void {
  if (type === "f32") new Float32Array(viewOf(address, 4 * values.length)).set(values);
  else new Uint16Array(viewOf(address, 2 * values.length)).set(toBf16(values));
}
