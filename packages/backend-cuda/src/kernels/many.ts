// Kernels over all parameters of a rank at once: AdamW and sums of squares. Addresses and sizes go to the card as a table, a row a
// tensor; a block finds the row that it works on.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import {
  ADAMW_ROW,
  adamwAll as adamwSource,
  CHUNK,
  SQUARES_ROW,
  squaresAll,
  squaresSums,
} from "../sources/optimizer.ts";
import { bytesOf, type Stored } from "../sources/prelude.ts";
import { blocks } from "./dims.ts";
import { storedAs } from "./moves.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

const HIGH = 2 ** 32;

/** A table on its way to the card. */
class Rows {
  readonly bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #floats: Float32Array;
  readonly #width: number;

  constructor(rows: number, bytes: number) {
    this.bytes = new Uint8Array(rows * bytes);
    this.#words = new Uint32Array(this.bytes.buffer);
    this.#floats = new Float32Array(this.bytes.buffer);
    this.#width = bytes / 4;
  }
  address(row: number, at: number, address: number): void {
    this.#words[row * this.#width + 2 * at] = address % HIGH;
    this.#words[row * this.#width + 2 * at + 1] = address / HIGH;
  }
  int(row: number, word: number, value: number): void {
    this.#words[row * this.#width + word] = value;
  }
  float(row: number, word: number, value: number): void {
    this.#floats[row * this.#width + word] = value;
  }
}

/** Runs `use` with the table's address on the card. */
function withTable(b: CudaBackend, { bytes }: Rows, use: (address: number) => void): void {
  const address = b.memoryPool.take(bytes.length, "a table of parameters");
  b.gpu.upload(address, bytes);
  use(address);
  b.memoryPool.give(address, bytes.length);
}

/** One of each kind of storage after the other: a kernel reads one kind. */
function byStorage(b: CudaBackend, xs: readonly TensorInfo[]): ReadonlyMap<Stored, number[]> {
  const kinds = new Map<Stored, number[]>();
  for (const [i, x] of xs.entries()) {
    const { stored } = b.entry(x.dataId);
    const some = kinds.get(stored);
    if (some) some.push(i);
    else kinds.set(stored, [i]);
  }
  return kinds;
}

/** Where the old value has a bf16 copy, the new one gets it here. */
function halfOf(b: CudaBackend, old: TensorInfo, y: TensorInfo): number {
  if (!b.entry(old.dataId).half) return 0;
  const entry = b.entry(y.dataId);
  entry.half = b.memoryPool.take(entry.size * bytesOf.bf16, "bf16, for products", y.shape);
  return entry.half;
}

function adamwRows(
  b: CudaBackend,
  xs: readonly TensorInfo[],
  ys: readonly TensorInfo[],
  keep: readonly number[],
  some: readonly number[],
): { rows: Rows; blocks: number } {
  const rows = new Rows(some.length, ADAMW_ROW);
  let first = 0;
  for (const [row, i] of some.entries()) {
    for (let k = 0; k < 4; k++) rows.address(row, k, b.address(xs[4 * i + k]!));
    for (let k = 0; k < 3; k++) rows.address(row, 4 + k, b.address(ys[3 * i + k]!));
    rows.address(row, 7, halfOf(b, xs[4 * i]!, ys[3 * i]!));
    const { size } = b.entry(xs[4 * i]!.dataId);
    rows.int(row, 16, size);
    rows.int(row, 17, first);
    rows.float(row, 18, keep[i]!);
    first += blocks(size, CHUNK);
  }
  return { rows, blocks: first };
}

const constants = ["beta1", "beta2", "eps", "rate", "unbias2", "scale"] as const;

/** Where a new moment goes: over the old one where that may be and no other tensor shares its data. */
const momentFor = (b: CudaBackend, old: TensorInfo, overwrite: boolean): TensorInfo =>
  overwrite && b.refCount(old.dataId) === 1 ? old : b.output(old.shape, "float32");

/** value, grad, m, v of each in turn -> value, m, v of each. */
function adamwAll(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const xs = Object.values(inputs);
  const keep = attrs.keep as readonly number[];
  const grads = keep.map((_, i) => xs[4 * i + 1]!);
  const overwrite = attrs.overwrite === true;
  const ys = keep.flatMap((_, i) => {
    const [value, , m, v] = xs.slice(4 * i, 4 * i + 4) as [TensorInfo, TensorInfo, TensorInfo, TensorInfo];
    return [b.output(value.shape, "float32"), momentFor(b, m, overwrite), momentFor(b, v, overwrite)];
  });
  const numbers = constants.map((key) => attrs[key] as number);
  for (const [stored, some] of byStorage(b, grads)) {
    const { rows, blocks } = adamwRows(b, xs, ys, keep, some);
    const name = `adamwAll_${stored}`;
    const launch = b.program(name, () => adamwSource(name, stored));
    withTable(b, rows, (table) => launch(blocks, 1, 256, table, some.length, ...numbers));
  }
  return ys;
}

function squaresOf(
  b: CudaBackend,
  xs: readonly TensorInfo[],
  { from, to }: { from: readonly number[]; to: readonly number[] },
  stored: Stored,
  y: TensorInfo,
): void {
  const rows = new Rows(xs.length, SQUARES_ROW);
  let first = 0;
  for (const [row, x] of xs.entries()) {
    rows.address(row, 0, b.address(x) + from[row]! * bytesOf[stored]);
    rows.int(row, 2, to[row]! - from[row]!);
    rows.int(row, 3, first);
    first += blocks(to[row]! - from[row]!, CHUNK);
  }
  const parts = b.output([first], "float32");
  const name = `squaresAll_${stored}`;
  withTable(b, rows, (table) => {
    b.program(name, () => squaresAll(name, stored))(first, 1, 256, table, xs.length, b.address(parts));
    const sums = b.program("squaresSums", () => squaresSums("squaresSums"));
    sums(blocks(xs.length, 8), 1, 256, table, xs.length, first, b.address(parts), b.address(y));
  });
  b.release(parts);
}

/** The sum of squares of a range of each tensor. */
function sumsOfSquares(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo {
  const given = Object.values(inputs);
  const alike = byStorage(b, given).size === 1;
  const xs = alike ? given : given.map((x) => storedAs(b, x, "f32"));
  const y = b.output([xs.length], "float32");
  const ranges = attrs as unknown as { from: readonly number[]; to: readonly number[] };
  squaresOf(b, xs, ranges, b.entry(xs[0]!.dataId).stored, y);
  if (!alike) b.release(...xs);
  return y;
}

export const many: Table = { "orthant.adamwAll": adamwAll, "orthant.sumsOfSquares": sumsOfSquares };
