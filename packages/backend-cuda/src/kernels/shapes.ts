// tfjs's kernels that rearrange elements: reshape, transpose, slice, concat, pad, tile, reverse, pack and unpack.
import { backend_util, slice_util, type TensorInfo, util } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { BESIDE, joinColumns, partColumns } from "../sources/copy.ts";
import { fill } from "./arithmetic.ts";
import { blocks, broadcastStrides, rowMajor } from "./dims.ts";
import { move, pick, storedAs, transpose } from "./moves.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

function reshape(b: CudaBackend, x: TensorInfo, shape: readonly number[]): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  const whole = util.inferFromImplicitShape(shape as number[], size);
  const wanted = util.sizeFromShape(whole);
  util.assert(
    size === wanted,
    () => `The new shape (${whole}) has ${wanted} elements and the old shape (${x.shape}) has ${size} elements.`,
  );
  return b.share(x, whole);
}

const offset = (start: readonly number[], strides: readonly number[]): number =>
  start.reduce((sum, at, d) => sum + at * strides[d]!, 0);

export function slice(b: CudaBackend, x: TensorInfo, begin: number | number[], size: number | number[]): TensorInfo {
  const [start, shape] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]];
  slice_util.assertParamsValid(x as never, start, shape);
  const strides = rowMajor(x.shape);
  return pick(b, x, shape, offset(start, strides), strides);
}

type Masks = [begin: number, end: number, ellipsis: number, newAxis: number, shrinkAxis: number];

function stridedSlice(b: CudaBackend, { x }: Inputs, attrs: Attributes): TensorInfo {
  const from = attrs as Readonly<Record<string, number[]>>;
  const masks = ["beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"].map(
    (key) => attrs[key],
  ) as Masks;
  const at = slice_util.sliceInfo(x!.shape, from.begin!, from.end!, from.strides!, ...masks);
  if (at.isIdentity) return b.share(x!, at.finalShape);
  const [begin, end, steps] = [at.begin!, at.end!, at.strides!] as [number[], number[], number[]];
  const own = rowMajor(x!.shape);
  const shape = slice_util.computeOutShape(begin, end, steps);
  const strides = own.map((each, d) => each * steps[d]!);
  return { ...pick(b, x!, shape, offset(begin, own), strides), shape: at.finalShape };
}

/** Joins tensors along a dim. Stored as float32 unless all are bf16. */
export function concat(b: CudaBackend, xs: readonly TensorInfo[], axis: number): TensorInfo {
  const shape = backend_util.computeOutShape(
    xs.map((x) => x.shape),
    axis,
  );
  const first = b.entry(xs[0]!.dataId).stored;
  const stored = xs.every((x) => b.entry(x.dataId).stored === first) ? first : "f32";
  const y = b.output(shape, xs[0]!.dtype, stored);
  const strides = rowMajor(shape);
  let done = 0;
  for (const x of xs) {
    const alike = storedAs(b, x, stored);
    move(
      b,
      x.shape,
      { of: alike, start: 0, strides: rowMajor(x.shape) },
      { of: y, start: done * strides[axis]!, strides },
    );
    b.release(alike);
    done += x.shape[axis]!;
  }
  return y;
}

function concatKernel(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo {
  const all = Object.values(inputs);
  const axis = util.parseAxisParam(attrs.axis as number, all[0]!.shape)[0]!;
  backend_util.assertParamsConsistent(
    all.map((x) => x.shape),
    axis,
  );
  const some = all.filter((x) => util.sizeFromShape(x.shape) > 0);
  if (some.length === 1) return b.share(some[0]!);
  return some.length
    ? concat(b, some, axis)
    : {
        ...all[0]!,
        ...b.output(
          backend_util.computeOutShape(
            all.map((x) => x.shape),
            axis,
          ),
          all[0]!.dtype,
        ),
      };
}

function pack(b: CudaBackend, inputs: Inputs, { axis }: Attributes): TensorInfo {
  const xs = Object.values(inputs);
  for (const { dtype } of xs)
    util.assert(dtype === xs[0]!.dtype, () => "All tensors passed to stack must have matching dtypes");
  const wide = (shape: readonly number[]) => shape.toSpliced(axis as number, 0, 1);
  for (const x of xs)
    util.assertShapesMatch(xs[0]!.shape, x.shape, "All tensors passed to stack must have matching shapes");
  return concat(
    b,
    xs.map((x) => ({ ...x, shape: wide(x.shape) })),
    axis as number,
  );
}

function unpack(b: CudaBackend, x: TensorInfo, axis: number): TensorInfo[] {
  const at = axis < 0 ? axis + x.shape.length : axis;
  const strides = rowMajor(x.shape);
  const [shape, rest] = [x.shape.toSpliced(at, 1), strides.toSpliced(at, 1)];
  return Array.from({ length: x.shape[at]! }, (_, i) => pick(b, x, shape, i * strides[at]!, rest));
}

function split(b: CudaBackend, x: TensorInfo, attrs: Attributes): TensorInfo[] {
  const axis = util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const strides = rowMajor(x.shape);
  const sizes = backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits as number[], axis);
  if (sizes.length > 1 && axis === x.shape.length - 1 && beside(sizes)) return parted(b, x, sizes);
  let done = 0;
  return sizes.map((size) => {
    const y = pick(b, x, x.shape.with(axis, size), done * strides[axis]!, strides);
    done += size;
    return y;
  });
}

/** Whether pieces of the last dim are such that one kernel reads or writes them all. */
const beside = (widths: readonly number[]): boolean =>
  widths.length <= BESIDE && widths[0]! > 0 && widths[0]! % 4 === 0 && widths.every((width) => width === widths[0]);

/** Equal pieces of the last dim, by one kernel. */
function parted(b: CudaBackend, x: TensorInfo, widths: readonly number[]): TensorInfo[] {
  const [count, W, n] = [widths.length, widths[0]!, util.sizeFromShape(x.shape)];
  const { stored } = b.entry(x.dataId);
  const ys = widths.map((width) => b.output(x.shape.with(-1, width), x.dtype, stored));
  const name = `partColumns${count}_${stored}`;
  const launch = b.program(name, () => partColumns(name, stored, count));
  if (n) launch(blocks(n, 1024), 1, 256, b.address(x), ...ys.map((y) => b.address(y)), n, W);
  return ys;
}

/** Matrices side by side as an operand of a product, so as bf16 where products read that. */
function joined(b: CudaBackend, inputs: Inputs): TensorInfo {
  const xs = Object.values(inputs);
  const widths = xs.map((x) => x.shape[1]!);
  const from = b.entry(xs[0]!.dataId).stored;
  const one = xs.every((x) => b.entry(x.dataId).stored === from);
  if (!one || !beside(widths)) return concat(b, xs, 1);
  const [count, W, D] = [xs.length, widths[0]!, xs[0]!.shape[0]!];
  const y = b.output([D, count * W], "float32", b.precision === "bf16" ? "bf16" : "f32");
  const to = b.entry(y.dataId).stored;
  const name = `joinColumns${count}_${from}_${to}`;
  const launch = b.program(name, () => joinColumns(name, from, to, count));
  if (D) launch(blocks(D * count * W, 1024), 1, 256, ...xs.map((x) => b.address(x)), b.address(y), D * count * W, W);
  return y;
}

function pad(b: CudaBackend, x: TensorInfo, attrs: Attributes): TensorInfo {
  const { paddings, constantValue } = attrs as { paddings: [number, number][]; constantValue: number };
  const shape = x.shape.map((n, d) => paddings[d]![0] + n + paddings[d]![1]);
  const y = fill(b, shape, constantValue, x.dtype);
  const strides = rowMajor(shape);
  const alike = storedAs(b, x, b.entry(y.dataId).stored);
  const start = offset(
    paddings.map(([before]) => before),
    strides,
  );
  move(b, x.shape, { of: alike, start: 0, strides: rowMajor(x.shape) }, { of: y, start, strides });
  b.release(alike);
  return y;
}

/** Repeats along each dim: a copy in which the dims of the repeats have stride 0. */
function tile(b: CudaBackend, x: TensorInfo, reps: readonly number[]): TensorInfo {
  const strides = rowMajor(x.shape);
  const dims = x.shape.flatMap((n, d) => [reps[d]!, n]);
  const y = pick(
    b,
    x,
    dims,
    0,
    x.shape.flatMap((_, d) => [0, strides[d]!]),
  );
  return { ...y, shape: x.shape.map((n, d) => n * reps[d]!) };
}

function reverse(b: CudaBackend, x: TensorInfo, dims: number | number[]): TensorInfo {
  const turned = util.parseAxisParam(dims, x.shape);
  const strides = rowMajor(x.shape);
  const start = turned.reduce((sum, d) => sum + Math.max(0, x.shape[d]! - 1) * strides[d]!, 0);
  return pick(
    b,
    x,
    x.shape,
    start,
    strides.map((each, d) => (turned.includes(d) ? -each : each)),
  );
}

/** A tensor under a shape that it broadcasts to, its elements written out. */
export const broadcast = (b: CudaBackend, x: TensorInfo, shape: readonly number[]): TensorInfo =>
  pick(b, x, shape, 0, broadcastStrides(x.shape, shape));

export const shapes: Table = {
  Concat: concatKernel,
  ExpandDims: (b, { input }, { dim }) => {
    const rank = input!.shape.length;
    const at = (dim as number) < 0 ? (dim as number) + rank + 1 : (dim as number);
    util.assert(at >= 0 && at <= rank, () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`);
    return b.share(input!, input!.shape.toSpliced(at, 0, 1));
  },
  Identity: (b, { x }) => b.share(x!),
  Pack: pack,
  PadV2: (b, { x }, attrs) => pad(b, x!, attrs),
  Reshape: (b, { x }, { shape }) => reshape(b, x!, shape as number[]),
  Reverse: (b, { x }, { dims }) => (x!.shape.length ? reverse(b, x!, dims as number[]) : b.share(x!)),
  Slice: (b, { x }, { begin, size }) => slice(b, x!, begin as number[], size as number[]),
  SplitV: (b, { x }, attrs) => split(b, x!, attrs),
  StridedSlice: stridedSlice,
  Tile: (b, { x }, { reps }) => tile(b, x!, reps as number[]),
  Transpose: (b, { x }, { perm }) => transpose(b, x!, perm as number[]),
  "orthant.joinColumns": joined,
  Unpack: (b, { value }, { axis }) => unpack(b, value!, axis as number),
};
