// Numbers as int8s, a float32 scale a block (ZeRO++: Wang et al., 2023, section 4.1). No block holds elements of two vectors. On the
// wire all scales come first, so that they are aligned. A block with a number that is not finite arrives as NaN: a run that has
// diverged must show it.

/** Blocks of vectors of `sizes`. */
const blocksOf = (sizes: readonly number[], block: number): number =>
  sizes.reduce((count, size) => count + Math.ceil(size / block), 0);

const bytesOf = (sizes: readonly number[], block: number): number =>
  sizes.reduce((sum, size) => sum + size, 4 * blocksOf(sizes, block));

/** Memory of a message: its scales, then its int8s. */
function views({ buffer, byteOffset, byteLength }: Uint8Array, sizes: readonly number[], block: number) {
  const blocks = blocksOf(sizes, block);
  const scales = new Float32Array(buffer, byteOffset, blocks);
  const small = new Int8Array(buffer, byteOffset + 4 * blocks, byteLength - 4 * blocks);
  return { scales, small };
}

/** Rounds `x` to multiples of its scale, which it returns; `x` becomes what is lost, nothing where it is not finite. */
function quantize(x: Float32Array, into: Int8Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const size = Math.abs(x[i]!);
    if (!(size <= most)) most = size; // a NaN stays the most
    if (Number.isNaN(size)) break;
  }
  const scale = Math.fround(most / 127);
  if (!Number.isFinite(scale)) {
    x.fill(0);
    return Number.NaN;
  }
  if (scale === 0) return 0; // too small for a scale: all of it is lost
  for (let i = 0; i < x.length; i++) {
    const steps = Math.max(-127, Math.min(127, Math.round(x[i]! / scale)));
    into[i] = steps;
    x[i] = x[i]! - steps * scale;
  }
  return scale;
}

/** Copies the vectors, one after the other, onto `lost` where that is given, else into fresh memory. */
function addUp(vectors: readonly Float32Array[], lost: Float32Array | undefined): Float32Array {
  const all = lost ?? new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const vector of vectors) {
    for (let i = 0; i < vector.length; i++) all[at + i]! += vector[i]!;
    at += vector.length;
  }
  return all;
}

/** Packs and unpacks by blocks of `block` elements. */
export const int8 = (block: number) => ({
  feedback: true,
  bytes: (sizes: readonly number[]): number => bytesOf(sizes, block),
  pack(vectors: readonly Float32Array[], lost?: Float32Array): Uint8Array {
    const sizes = vectors.map(({ length }) => length);
    const packed = new Uint8Array(bytesOf(sizes, block));
    const { scales, small } = views(packed, sizes, block);
    const all = addUp(vectors, lost);
    let [at, count] = [0, 0];
    for (const size of sizes)
      for (const end = at + size; at < end; ) {
        const to = Math.min(end, at + block);
        scales[count++] = quantize(all.subarray(at, to), small.subarray(at, to));
        at = to;
      }
    return packed;
  },
  unpack(packed: Uint8Array, into: readonly Float32Array[]): void {
    const { scales, small } = views(
      packed,
      into.map(({ length }) => length),
      block,
    );
    let [at, count] = [0, 0];
    for (const vector of into)
      for (let from = 0; from < vector.length; from += block) {
        const to = Math.min(vector.length, from + block);
        const scale = scales[count++]!;
        for (let i = from; i < to; i++) vector[i] = small[at++]! * scale;
      }
  },
});
