// Numbers as int8s, one float32 scale a block: what the int8 wire sends. Pure.

/** Elements that share a scale. */
const BLOCK = 256;

/** Bytes of `length` numbers, packed. */
export const packedBytes = (length: number): number => length + 4 * Math.ceil(length / BLOCK);

/** Packs into scales, then int8s; `values` become what is lost. */
export function pack(values: Float32Array): Uint8Array {
  const blocks = Math.ceil(values.length / BLOCK);
  const packed = new Uint8Array(packedBytes(values.length));
  const scales = new Float32Array(packed.buffer, 0, blocks);
  const small = new Int8Array(packed.buffer, scales.byteLength);
  for (let block = 0; block < blocks; block++) {
    const part = values.subarray(block * BLOCK, (block + 1) * BLOCK);
    scales[block] = part.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
    for (const [i, x] of part.entries()) {
      const rounded = scales[block] ? Math.round(x / scales[block]!) : 0;
      small[block * BLOCK + i] = rounded;
      part[i] = x - rounded * scales[block]!;
    }
  }
  return packed;
}

function unpack(packed: Uint8Array, length: number): Float32Array {
  const { buffer } = new Uint8Array(packed); // a copy, which begins where a float32 may
  const scales = new Float32Array(buffer, 0, Math.ceil(length / BLOCK));
  const small = new Int8Array(buffer, scales.byteLength);
  return Float32Array.from(small, (x, i) => x * scales[Math.floor(i / BLOCK)]!);
}

/** What was packed of each of several vectors of `sizes`, one after the other, but for what was lost. */
export function unpackAll(packed: Uint8Array, sizes: readonly number[]): Float32Array[] {
  let from = 0;
  return sizes.map((size) => {
    from += packedBytes(size);
    return unpack(packed.subarray(from - packedBytes(size), from), size);
  });
}
