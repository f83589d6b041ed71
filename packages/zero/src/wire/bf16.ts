// Numbers as bfloat16s: the upper half of a float32, rounded to nearest, ties to even. Infinity stays, a NaN stays one.
// Integer arithmetic on the bits, no branch but that for NaN, nothing allocated an element.

const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);

const bitsOf = ({ buffer, byteOffset, length }: Float32Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length);

/** Rounds the bits of float32s to those of bfloat16s, from `at` on. */
export function round(bits: Uint32Array, into: Uint16Array, at: number): void {
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    const nan = (x & 0x7fffffff) > 0x7f800000;
    into[at + i] = nan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
}

export const bf16 = {
  feedback: false,
  bytes: (sizes: readonly number[]): number => 2 * sum(sizes),
  pack(vectors: readonly Float32Array[]): Uint8Array {
    const packed = new Uint16Array(sum(vectors.map(({ length }) => length)));
    let at = 0;
    for (const vector of vectors) {
      round(bitsOf(vector), packed, at);
      at += vector.length;
    }
    return new Uint8Array(packed.buffer);
  },
  unpack({ buffer, byteOffset, byteLength }: Uint8Array, into: readonly Float32Array[]): void {
    const packed = new Uint16Array(buffer, byteOffset, byteLength / 2);
    let at = 0;
    for (const vector of into) {
      const bits = bitsOf(vector);
      for (let i = 0; i < bits.length; i++) bits[i] = packed[at + i]! << 16;
      at += vector.length;
    }
  },
};
