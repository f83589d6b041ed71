// A TensorBoard event file beside `metrics.jsonl`: loss, norm, rate, speed and evaluations as scalars. Formats: TFRecord (length and data,
// each with a masked CRC-32C: tensorflow/core/lib/io/record_writer.h) of Event messages (tensorflow/core/util/event.proto).
import { appendFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** CRC-32C (Castagnoli, 1993: polynomial 0x1EDC6F41, reflected), a step for each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum of data that may hold checksums itself: rotated right by 15, plus a constant. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const numbers = (size: number, write: (view: DataView) => void): Buffer => {
  const bytes = Buffer.alloc(size);
  write(new DataView(bytes.buffer, bytes.byteOffset, size));
  return bytes;
};

/** Frames a record: 8 bytes of length, its checksum, the data, its checksum. */
export function record(data: Uint8Array): Buffer {
  const length = numbers(8, (view) => view.setBigUint64(0, BigInt(data.length), true));
  const checksum = (of: Uint8Array) => numbers(4, (view) => view.setUint32(0, masked(crc32c(of)), true));
  return Buffer.concat([length, checksum(length), data, checksum(data)]);
}

// Protocol buffers: a field is its number and wire type, then its value.

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

const tag = (field: number, wire: 0 | 1 | 2 | 5): Buffer => Buffer.from([(field << 3) | wire]);
const double = (field: number, value: number) =>
  Buffer.concat([tag(field, 1), numbers(8, (view) => view.setFloat64(0, value, true))]);
const float = (field: number, value: number) =>
  Buffer.concat([tag(field, 5), numbers(4, (view) => view.setFloat32(0, value, true))]);
const int64 = (field: number, value: number) => Buffer.concat([tag(field, 0), varint(BigInt(value))]);
const bytes = (field: number, value: Uint8Array) => Buffer.concat([tag(field, 2), varint(BigInt(value.length)), value]);

/** Event: wall_time 1 (seconds), step 2, summary 5; Summary: value 1; Value: tag 1, simple_value 2. */
const scalars = (seconds: number, step: number, values: Readonly<Record<string, number>>): Buffer =>
  Buffer.concat([
    double(1, seconds),
    int64(2, step),
    bytes(5, Buffer.concat(Object.entries(values).map(([name, value]) => bytes(1, scalar(name, value))))),
  ]);

const scalar = (name: string, value: number): Buffer => Buffer.concat([bytes(1, Buffer.from(name)), float(2, value)]);

/** Starts an event file in `dir`, with what TensorBoard expects first; returns what appends scalars of a step. */
export function tensorboard(dir: string): (step: number, values: Readonly<Record<string, number>>) => void {
  const now = () => Date.now() / 1000;
  const path = join(dir, `events.out.tfevents.${Math.floor(now())}.${hostname()}`);
  const version = Buffer.concat([double(1, now()), bytes(3, Buffer.from("brain.Event:2"))]); // file_version 3
  appendFileSync(path, record(version));
  return (step, values) => appendFileSync(path, record(scalars(now(), step, values)));
}
