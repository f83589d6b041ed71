// Strided copies between tensors: what transpose, slice, concat, pad, tile and reverse have in common.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { stridedCopy, tiledTranspose } from "../sources/copy.ts";
import { bytesOf, type Stored } from "../sources/prelude.ts";
import { blocks, collapse, rowMajor, sizeOf, type Walk } from "./dims.ts";
import { apply } from "./elementwise.ts";

/** One side of a copy: a tensor, the element it starts at, and a stride a dim. */
export interface Side {
  readonly of: TensorInfo;
  readonly start: number;
  readonly strides: readonly number[];
}

/** The widest word, in elements, that both sides can move whole. */
function width({ dims, strides }: Walk, bytes: number, starts: readonly number[]): number {
  const inner = strides.every((each) => each.at(-1) === 1);
  const numbers = [dims.at(-1)!, ...starts, ...strides.flatMap((each) => each.slice(0, -1))];
  const fits = (w: number) => w * bytes <= 16 && numbers.every((each) => each % w === 0);
  return inner ? ([16, 8, 4, 2].find(fits) ?? 1) : 1;
}

/** The same walk in words of `w` elements. */
const widen = ({ dims, strides }: Walk, w: number): Walk => ({
  dims: dims.with(-1, dims.at(-1)! / w),
  strides: strides.map((each) => each.map((stride, d) => (d === each.length - 1 ? stride : stride / w))),
});

/** Copies elements of x to y over `dims`. Both are stored alike. */
export function move(b: CudaBackend, dims: readonly number[], x: Side, y: Side): void {
  if (!sizeOf(dims)) return;
  const bytes = bytesOf[b.entry(x.of.dataId).stored];
  const walk = collapse({ dims, strides: [x.strides, y.strides] });
  const w = width(walk, bytes, [x.start, y.start]);
  const words = widen(walk, w);
  const rank = words.dims.length;
  const name = `copy_${w * bytes}_${rank}`;
  const launch = b.program(name, () => stridedCopy(name, w * bytes, rank));
  const n = sizeOf(words.dims);
  const [from, to] = [b.address(x.of) + x.start * bytes, b.address(y.of) + y.start * bytes];
  launch(blocks(n, 256), 1, 256, from, to, n, ...words.dims, ...words.strides.flat());
}

/** All of a new tensor from strides over x. */
export function pick(
  b: CudaBackend,
  x: TensorInfo,
  shape: readonly number[],
  start: number,
  strides: readonly number[],
) {
  const y = b.output(shape, x.dtype, b.entry(x.dataId).stored);
  move(b, shape, { of: x, start, strides }, { of: y, start: 0, strides: rowMajor(shape) });
  return y;
}

/** The same elements stored otherwise (bf16 as float32 and back); a share of x where nothing changes. */
export function storedAs(b: CudaBackend, x: TensorInfo, stored: Stored): TensorInfo {
  if (b.entry(x.dataId).stored === stored) return b.share(x);
  return apply(b, { name: "Store", text: "a" }, [x], x.shape, x.dtype, stored);
}

/** Dims where only the last two, after joining neighbours, change places; undefined otherwise. */
function swapped({ dims, strides }: Walk): readonly [batch: number, R: number, C: number] | undefined {
  const [x] = strides;
  if (dims.length === 2 && x![0] === 1 && x![1] === dims[0]) return [1, dims[1]!, dims[0]!];
  const three = dims.length === 3 && x![1] === 1 && x![2] === dims[1] && x![0] === dims[1]! * dims[2]!;
  return three && dims[0]! < 65536 ? [dims[0]!, dims[2]!, dims[1]!] : undefined;
}

/** `y[i0, i1 ..] = x[.., i at its place, ..]`: dim d of the result is dim `order[d]` of x. */
export function transpose(b: CudaBackend, x: TensorInfo, order: readonly number[]): TensorInfo {
  const shape = order.map((d) => x.shape[d]!);
  const own = rowMajor(x.shape);
  const strides = order.map((d) => own[d]!);
  const flat = collapse({ dims: shape, strides: [strides, rowMajor(shape)] });
  if (flat.dims.length === 1) return b.share(x, shape);
  const tiles = swapped(flat);
  if (!tiles || !sizeOf(shape)) return pick(b, x, shape, 0, strides);
  const y = b.output(shape, x.dtype, b.entry(x.dataId).stored);
  const [batch, R, C] = tiles;
  const bytes = bytesOf[b.entry(x.dataId).stored];
  const name = `transpose_${bytes}`;
  const across = blocks(C, 32);
  const launch = b.program(name, () => tiledTranspose(name, bytes));
  launch(across * blocks(R, 32), batch, 256, b.address(x), b.address(y), R, C, across);
  return y;
}
