// Numbers as they are: what hierarchical collectives send where no bytes are to be saved.

const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);

export const f32 = {
  feedback: false,
  bytes: (sizes: readonly number[]): number => 4 * sum(sizes),
  pack(vectors: readonly Float32Array[]): Uint8Array {
    const all = new Float32Array(sum(vectors.map(({ length }) => length)));
    let at = 0;
    for (const vector of vectors) {
      all.set(vector, at);
      at += vector.length;
    }
    return new Uint8Array(all.buffer);
  },
  unpack({ buffer, byteOffset, byteLength }: Uint8Array, into: readonly Float32Array[]): void {
    const all = new Float32Array(buffer, byteOffset, byteLength / 4);
    let at = 0;
    for (const vector of into) {
      vector.set(all.subarray(at, at + vector.length));
      at += vector.length;
    }
  },
};
