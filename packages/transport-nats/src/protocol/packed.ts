// Small msgpack values that may come from anybody: checked by walking their bytes before anything is allocated for them.
// Numbers, strings, booleans and arrays only; no maps, no extensions, nothing nested deeper than `depth`. Not for tensors:
// msgpack would copy them, and spoil them where extensions are off.
import { Packr } from "msgpackr";

/** Arrays in arrays, at most. */
const depth = 3;

/** Bytes that follow the first, of values of one length. */
const following: ReadonlyMap<number, number> = new Map([
  ...[0xc2, 0xc3].map((type) => [type, 0] as const),
  ...[0xcc, 0xd0].map((type) => [type, 1] as const),
  ...[0xcd, 0xd1].map((type) => [type, 2] as const),
  ...[0xca, 0xce, 0xd2].map((type) => [type, 4] as const),
  ...[0xcb, 0xcf, 0xd3].map((type) => [type, 8] as const),
]);

/** Bytes of the length that follows the first byte: strings, arrays. */
const stringLengths: ReadonlyMap<number, 1 | 2 | 4> = new Map([
  [0xd9, 1],
  [0xda, 2],
  [0xdb, 4],
]);
const arrayLengths: ReadonlyMap<number, 1 | 2 | 4> = new Map([
  [0xdc, 2],
  [0xdd, 4],
]);

const bad = -1;

const readLength = (view: DataView, at: number, bytes: 1 | 2 | 4): number =>
  bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);

function skipItems(view: DataView, at: number, count: number, left: number): number {
  if (left === 0 || count > view.byteLength - at) return bad;
  for (let i = 0; i < count && at !== bad; i++) at = skip(view, at, left - 1);
  return at;
}

/** Where the value at `at` ends; `bad` where it is cut, of another kind, or nested deeper than `left`. */
function skip(view: DataView, at: number, left: number): number {
  if (at >= view.byteLength) return bad;
  const type = view.getUint8(at++);
  if (type <= 0x7f || type >= 0xe0) return at;
  if (type >= 0x90 && type <= 0x9f) return skipItems(view, at, type & 15, left);
  if (type >= 0xa0 && type <= 0xbf) return at + (type & 31);
  const fixed = following.get(type);
  if (fixed !== undefined) return at + fixed;
  const bytes = stringLengths.get(type) ?? arrayLengths.get(type);
  if (bytes === undefined || at + bytes > view.byteLength) return bad;
  const length = readLength(view, at, bytes);
  return stringLengths.has(type) ? at + bytes + length : skipItems(view, at + bytes, length, left);
}

/** Unpacks the value; undefined where the bytes are not exactly one such value. Never throws; allocates less than 32 x the bytes. */
export function unpack(packr: Packr, bytes: Uint8Array): unknown {
  if (skip(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, depth) !== bytes.length) return undefined;
  try {
    return packr.unpack(bytes);
  } catch {
    return undefined;
  }
}

/** Makes a packer, one a user: it holds buffers. */
export const newPackr = (): Packr => new Packr({ useRecords: false, structuredClone: false, moreTypes: false });
