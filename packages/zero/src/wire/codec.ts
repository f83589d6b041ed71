// What numbers are on the wire: a precision by name. Vectors of one message are packed one after the other.
import { bf16 } from "./bf16.ts";
import { f32 } from "./f32.ts";
import { int8 } from "./int8.ts";

/** What elements travel as: as they are, as bfloat16s, as int8s with a float32 scale a block. */
export type Precision = "f32" | "bf16" | "int8";

export interface Codec {
  /** Bytes of vectors of `sizes` elements, packed. */
  bytes(sizes: readonly number[]): number;
  /**
   * Packs vectors, which stay as they are. `lost`, as long as all of them, is added first and becomes what rounding loses now
   * (error feedback); a precision that rounds each element well leaves it alone.
   */
  pack(vectors: readonly Float32Array[], lost?: Float32Array): Uint8Array;
  /** Writes what was packed into vectors of the same sizes. `packed` begins at a multiple of 4 bytes. */
  unpack(packed: Uint8Array, into: readonly Float32Array[]): void;
  /** Whether `pack` makes use of `lost`. */
  readonly feedback: boolean;
}

/** The codec of a precision; int8s share a scale by `block`. */
export const codecOf = (precision: Precision, block: number): Codec => ({ f32, bf16, int8: int8(block) })[precision];

/** Unpacks vectors of `sizes`. Throws where the bytes are not theirs. */
export function unpacked({ bytes, unpack }: Codec, packed: Uint8Array, sizes: readonly number[]): Float32Array[] {
  const [want, found] = [bytes(sizes), packed.byteLength];
  if (found !== want)
    throw new Error(
      `${found} bytes came for vectors of ${sizes.join(", ")} elements, which are ${want}: the same wire on every member?`,
    );
  const into = sizes.map((size) => new Float32Array(size));
  unpack(packed, into);
  return into;
}
