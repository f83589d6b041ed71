// What goes through a ring: a head (JSON), then the data as they are, each padded to 8 bytes. Packed into memory to write
// one after the other, and put together again in memory that the receiving side has ready. Knows no ring.
import type { DTypeName } from "../dtypes.ts";
import type { Frame } from "../endpoint.ts";
import type { Pool } from "../pool.ts";

/** A frame on its way, or a piece of one: from which rank, to which ranks of the receiving thread. */
export interface Envelope {
  readonly from: number;
  readonly to: readonly number[];
  readonly key: string;
  /** Where `piece` is given, the data are that piece's; dtype and shape are always the whole frame's. */
  readonly frame: Frame;
  readonly piece?: Piece;
}

/** Pieces of a frame come in order; others may come between them. */
export interface Piece {
  /** Bytes of the frame before it. */
  readonly at: number;
  /** Bytes of the frame. */
  readonly whole: number;
}

/** What is known of an envelope before its data: its head. */
export interface Heading extends Piece {
  readonly from: number;
  readonly to: readonly number[];
  readonly key: string;
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
}

/** Yields the memory to fill next with the `length` bytes of an envelope, never empty; goes on when it is full. */
export type Place = (heading: Heading, length: number) => Generator<Uint8Array, void>;

type Head = [from: number, to: number[], key: string, dtype: DTypeName, shape: number[], at: number, whole: number];

/** Two Uint32 in this machine's byte order: bytes of the head (JSON), bytes of the data. */
const prefixBytes = 8;

/** Bytes that bring `length` to a multiple of 8. V8 copies between shared and own memory 4 times slower where the two
 * are not aligned alike (3.6 against 14.6 GB/s), so everything in the stream starts at a multiple of 8. */
const padding = (length: number): number => -length & 7;

const zeros = (count: number): Uint8Array => new Uint8Array(count);

function packHead({ from, to, key, frame, piece }: Envelope): Uint8Array {
  const { at, whole } = piece ?? { at: 0, whole: frame.data.length };
  const head = new TextEncoder().encode(JSON.stringify([from, to, key, frame.dtype, frame.shape, at, whole]));
  const packed = zeros(prefixBytes + head.length + padding(head.length));
  new Uint32Array(packed.buffer, 0, 2).set([head.length, frame.data.length]);
  packed.set(head, prefixBytes);
  return packed;
}

/** Packs an envelope into what goes into the ring, one after the other; none empty. */
export const packed = (envelope: Envelope): Uint8Array[] =>
  [packHead(envelope), envelope.frame.data, zeros(padding(envelope.frame.data.length))].filter(
    (part) => part.length > 0,
  );

/** Reads at the other end what `packed` wrote: yields the memory to fill next, never empty. */
export function* unpacked(place: Place): Generator<Uint8Array, never> {
  for (;;) {
    const lengths = new Uint32Array(2);
    yield new Uint8Array(lengths.buffer);
    const headLength = lengths[0] as number;
    const dataLength = lengths[1] as number;
    const head = zeros(headLength + padding(headLength));
    yield head;
    const fields = JSON.parse(new TextDecoder().decode(head.subarray(0, headLength))) as Head;
    const [from, to, key, dtype, shape, at, whole] = fields;
    yield* place({ from, to, key, dtype, shape, at, whole }, dataLength);
    if (padding(dataLength) > 0) yield zeros(padding(dataLength));
  }
}

/** Puts frames together in memory of `pool`; `deliver` hears of each that is complete. */
export function assembled(pool: Pool, deliver: (envelope: Envelope) => void): Place {
  const begun = new Map<string, Uint8Array>();
  return function* ({ from, to, key, dtype, shape, at, whole }, length) {
    const name = `${from} ${to} ${key}`;
    const data = begun.get(name) ?? pool.take(whole);
    begun.set(name, data);
    if (length > 0) yield data.subarray(at, at + length);
    if (at + length < whole) return;
    begun.delete(name);
    deliver({ from, to, key, frame: { dtype, shape, data } });
  };
}
