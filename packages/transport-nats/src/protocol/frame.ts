// One part of a tensor frame, as bytes on the wire: two Uint32 (length and CRC-32 of the header), a msgpack header, zeros
// up to a multiple of 8, raw little-endian elements. Where the run has a secret, a tag goes before all that, and there is no
// CRC. Pure: knows no server, no credit, no order.
import { crc32 } from "node:zlib";
import { type DTypeName, elementBytes } from "@orthant/core/transport-kit";
import type { Packr } from "msgpackr";
import { type PartKey, tagBytes } from "./cipher.ts";
import { newPackr, unpack } from "./packed.ts";

/** The version of the protocol: ranks of another one are refused. */
export const protocol = 3;

export interface PartHeader {
  readonly run: string;
  readonly epoch: number;
  /** Counts the parts of one stream: one sender to one set of receivers. */
  readonly seq: number;
  readonly from: number;
  readonly key: string;
  readonly dtype: DTypeName;
  /** The type of the elements on the wire: today the dtype, nothing else. */
  readonly wire: DTypeName;
  readonly shape: readonly number[];
  readonly part: number;
  readonly parts: number;
}

export interface Part extends PartHeader {
  /** A view of the message. */
  readonly data: Uint8Array;
}

export interface FrameLimits {
  /** Bytes of a whole frame. */
  readonly maxFrame: number;
}

/** What a frame was refused for; nothing else is ever thrown by decoding. */
export class FrameError extends Error {}

/** Bytes of a key in UTF-8. */
export const maxKey = 1024;
const maxDims = 16;
const prefixBytes = 8;
const maxHeader = 4096;

/** Counts the bytes to leave for the header before a part's data; a multiple of 8. */
export const headerRoom = ({ key, shape }: Pick<PartHeader, "key" | "shape">): number =>
  (tagBytes + prefixBytes + 263 + 3 * key.length + 9 * shape.length) & ~7;

/** Counts the bytes of data that fit one message of `maxPayload` bytes beside the header; a multiple of 8. */
export function partBytes(head: Pick<PartHeader, "key" | "shape">, maxPayload: number): number {
  const bytes = (maxPayload - headerRoom(head)) & ~7;
  if (bytes >= 8) return bytes;
  throw new Error(
    `max_payload ${maxPayload} of the server is too small for a header of ${headerRoom(head)} bytes: raise it`,
  );
}

/** Rounds up to a multiple of 8. */
const aligned = (bytes: number): number => (bytes + 7) & ~7;

export class FrameCodec {
  readonly #packr: Packr = newPackr();

  /** Seals the message of a part, ending with `memory`: the data are there from `at`, a multiple of 8, the header goes before. */
  seal(head: PartHeader, memory: Uint8Array, at: number, key?: PartKey): Uint8Array {
    const { run, epoch, seq, from, key: name, dtype, wire, shape, part, parts } = head;
    const sum = key ? 0 : crc32(memory.subarray(at));
    const header = this.#packr.pack([protocol, run, epoch, seq, from, name, dtype, wire, shape, part, parts, sum]);
    const start = key ? tagBytes : 0;
    const dataAt = start + aligned(prefixBytes + header.length);
    const bytes = memory.subarray(at - dataAt);
    const view = new DataView(bytes.buffer, bytes.byteOffset + start);
    view.setUint32(0, header.length, true);
    view.setUint32(4, key ? 0 : crc32(header), true);
    bytes.set(header, start + prefixBytes);
    bytes.fill(0, start + prefixBytes + header.length, dataAt);
    key?.seal(bytes, dataAt, seq);
    return bytes;
  }

  /** Seals the same in memory of its own. */
  encode(head: PartHeader, data: Uint8Array, key?: PartKey): Uint8Array {
    const at = headerRoom(head);
    const memory = new Uint8Array(at + data.length);
    memory.set(data, at);
    return this.seal(head, memory, at, key);
  }

  /**
   * Reads a part; `keyOf` gives the key of what a rank sends. Throws a FrameError where anything is not as it must be, before
   * memory is taken for it.
   */
  decode(bytes: Uint8Array, limits: FrameLimits, keyOf?: (from: number) => PartKey): Part {
    const start = keyOf ? tagBytes : 0;
    const header = headerOf(bytes.subarray(start), !keyOf);
    const fields = unpack(this.#packr, header);
    const dataAt = start + aligned(prefixBytes + header.length);
    const part = toPart(fields, bytes.subarray(dataAt));
    if (!keyOf) {
      checkLengths(part, limits);
      if ((fields as unknown[])[11] !== crc32(part.data)) throw new FrameError("checksum of the data is wrong");
      return part;
    }
    const data = keyOf(part.from).open(bytes, dataAt, part.seq);
    if (!data) throw new FrameError(wrongTag);
    checkLengths(part, limits);
    return { ...part, data };
  }
}

/** What forged bytes and those of another secret are refused for. */
const wrongTag = "its tag is wrong";

function headerOf(bytes: Uint8Array, summed: boolean): Uint8Array {
  if (bytes.length < prefixBytes) throw new FrameError(`${bytes.length} bytes: cut before the header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(0, true);
  if (length > maxHeader || aligned(prefixBytes + length) > bytes.length)
    throw new FrameError(`header of ${length} bytes in a message of ${bytes.length}`);
  const header = bytes.subarray(prefixBytes, prefixBytes + length);
  if (summed && crc32(header) !== view.getUint32(4, true)) throw new FrameError("checksum of the header is wrong");
  return header;
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Ranks of a run, at most: their bitmap is 1024 hexadecimal digits. */
export const mostRanks = 4096;
export const isRank = (value: unknown): value is number => isCount(value) && value < mostRanks;

function toPart(fields: unknown, data: Uint8Array): Part {
  if (!Array.isArray(fields) || fields.length !== 12) throw new FrameError("the header is not twelve fields");
  const [version, run, epoch, seq, from, key, dtype, wire, shape, part, parts] = fields as unknown[];
  if (version !== protocol) throw new FrameError(`protocol ${String(version)}, not ${protocol}`);
  const counts = [epoch, seq, part, parts].every(isCount) && isRank(from);
  if (typeof run !== "string" || typeof key !== "string" || !counts)
    throw new FrameError("a header field has the wrong type");
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype)) throw new FrameError("unknown dtype");
  if (wire !== dtype) throw new FrameError(`elements of another type on the wire than ${dtype}`);
  if (!Array.isArray(shape) || shape.length > maxDims || !shape.every(isCount)) throw new FrameError("no shape");
  return { run, epoch, seq, from, key, dtype, wire, shape, part, parts, data } as Part;
}

/** Counts the bytes of the whole frame. */
export const frameBytes = ({ dtype, shape }: Pick<PartHeader, "dtype" | "shape">): number =>
  shape.reduce((n, dim) => n * dim, elementBytes[dtype]);

function checkLengths({ part, parts, data, ...head }: Part, { maxFrame }: FrameLimits): void {
  const total = frameBytes(head);
  if (!(total <= maxFrame)) throw new FrameError(`a frame of ${total} bytes: at most ${maxFrame}`);
  if (part >= parts) throw new FrameError(`part ${part} of ${parts}`);
  const last = part === parts - 1;
  const fits = last
    ? data.length <= total && (parts > 1 || data.length === total)
    : data.length * (parts - 1) < total && total <= data.length * parts;
  if (!fits) throw new FrameError(`part ${part} of ${parts} has ${data.length} bytes of ${total}`);
}
