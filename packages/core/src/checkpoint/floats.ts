// Numbers of a safetensors file as float32. Pure; bytes are little-endian, as the machines that run this are.
import type { StoredType } from "./safetensors.ts";

/** Widens the bits of an IEEE 754 half. */
function ofHalf(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Copies, so that numbers stand where their size wants them. */
const aligned = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

const readers: Partial<Record<StoredType, (bytes: Uint8Array) => Float32Array>> = {
  F32: (bytes) => new Float32Array(aligned(bytes)),
  F64: (bytes) => Float32Array.from(new Float64Array(aligned(bytes))),
  F16: (bytes) => Float32Array.from(new Uint16Array(aligned(bytes)), ofHalf),
  BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(aligned(bytes)), (bits) => bits << 16).buffer),
};

/** Reads numbers of a type; undefined where they are no floating-point numbers, or of 8 bits. */
export const toFloats = (dtype: StoredType, bytes: Uint8Array): Float32Array | undefined => readers[dtype]?.(bytes);

/** Types that `toFloats` reads. */
export const floatTypes: readonly string[] = Object.keys(readers);
