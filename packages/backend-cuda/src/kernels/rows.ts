// Kernels that pick, spread and count rows by index: gather, scatter, one-hot, segment sums, and `orthant.*` of the same.

import type { DataType } from "@tensorflow/tfjs";
import { backend_util, gather_util, scatter_util, type TensorInfo, util } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { flatPlaces, gatherRows } from "../sources/copy.ts";
import { bytesOf } from "../sources/prelude.ts";
import { oneHot, putIntoRows, sumIntoRows } from "../sources/rows.ts";
import { cast, fill } from "./arithmetic.ts";
import { blocks, rowMajor, sizeOf } from "./dims.ts";
import { pick, storedAs } from "./moves.ts";
import type { Attributes, Compute, Inputs, Table } from "./table.ts";

/** x seen as `[O, R, inner]` and an index `[K]` -> rows `[O, K, inner]` under `shape`. */
function rowsOf(
  b: CudaBackend,
  x: TensorInfo,
  index: TensorInfo,
  at: { O: number; R: number; inner: number },
  shape: readonly number[],
) {
  const { stored } = b.entry(x.dataId);
  const y = b.output(shape, x.dtype, stored);
  const bytes = bytesOf[stored];
  const w = [16, 8, 4, 2].find((each) => each * bytes <= 16 && at.inner % each === 0) ?? 1;
  const n = sizeOf(shape) / w;
  const name = `gather_${bytes * w}`;
  const launch = b.program(name, () => gatherRows(name, bytes * w));
  const whole = cast(b, index, "int32");
  if (n)
    launch(
      blocks(n, 256),
      1,
      256,
      b.address(x),
      b.address(whole),
      b.address(y),
      n,
      sizeOf(index.shape),
      at.R,
      at.inner / w,
    );
  b.release(whole);
  return y;
}

function gather(b: CudaBackend, { x, indices }: Inputs, attrs: Attributes): TensorInfo {
  const axis = util.parseAxisParam(attrs.axis as number, x!.shape)[0]!;
  const found = backend_util.segment_util.collectGatherOpShapeInfo(
    x as never,
    indices as never,
    axis,
    (attrs.batchDims as number) ?? 0,
  );
  const { batchSize, outerSize, dimSize, sliceSize } = found;
  if (batchSize === 1)
    return rowsOf(b, x!, indices!, { O: outerSize, R: dimSize, inner: sliceSize }, found.outputShape);
  return batchedGather(b, x!, indices!, found);
}

/** Each element of the batch has indices of its own: they become those of one gather over the batch's rows. */
function batchedGather(
  b: CudaBackend,
  x: TensorInfo,
  indices: TensorInfo,
  found: { batchSize: number; outerSize: number; dimSize: number; sliceSize: number; outputShape: number[] },
): TensorInfo {
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = found;
  const [K, whole] = [sizeOf(indices.shape) / batchSize, cast(b, indices, "int32")];
  const rows = sizeOf(x.shape) / batchSize;
  const strides = rowMajor([batchSize, outerSize, K, sliceSize]);
  const y = b.output(outputShape, x.dtype, b.entry(x.dataId).stored);
  const { stored } = b.entry(x.dataId);
  const name = `gather_${bytesOf[stored]}`;
  const launch = b.program(name, () => gatherRows(name, bytesOf[stored]));
  for (let i = 0; i < batchSize; i++) {
    const [from, at, to] = [
      b.address(x) + i * rows * bytesOf[stored],
      b.address(whole) + 4 * i * K,
      b.address(y) + i * strides[0]! * bytesOf[stored],
    ];
    launch(blocks(strides[0]!, 256), 1, 256, from, at, to, strides[0]!, K, dimSize, sliceSize);
  }
  b.release(whole);
  return y;
}

/** Rows of the flattened data that coordinates `[.., depth]` point at: `[K]` int32. */
function places(b: CudaBackend, indices: TensorInfo, shape: readonly number[], depth: number): TensorInfo {
  const K = sizeOf(indices.shape) / depth;
  const place = b.output([K], "int32");
  const whole = cast(b, indices, "int32");
  const strides = rowMajor(shape.slice(0, depth));
  const name = `places_${depth}`;
  const launch = b.program(name, () => flatPlaces(name, depth));
  if (K)
    launch(
      blocks(K, 256),
      1,
      256,
      b.address(whole),
      b.address(place),
      K,
      ...strides.flatMap((stride, d) => [stride, shape[d]!]),
    );
  b.release(whole);
  return place;
}

function gatherNd(b: CudaBackend, { params, indices }: Inputs): TensorInfo {
  const [shape, , inner] = gather_util.prepareAndValidate(params as never, indices as never);
  const depth = indices!.shape.at(-1)!;
  const place = places(b, indices!, params!.shape, depth);
  const y = rowsOf(b, params!, place, { O: 1, R: sizeOf(params!.shape) / inner, inner }, shape);
  b.release(place);
  return y;
}

/** `y[index[n]] += x[n]` onto what y holds, or in its place. Sums are of float32 or int32. */
function intoRows(
  b: CudaBackend,
  x: TensorInfo,
  index: TensorInfo,
  y: TensorInfo,
  D: number,
  adds: boolean,
): TensorInfo {
  const n = sizeOf(x.shape);
  const [input, output] = [b.entry(x.dataId).stored, b.entry(y.dataId).stored];
  const name = adds ? `sumIntoRows_${input}_${output}` : `putIntoRows_${output}`;
  const make = () => (adds ? sumIntoRows(name, input, output as "f32" | "i32") : putIntoRows(name, output));
  const rows = sizeOf(y.shape) / D;
  if (n) b.program(name, make)(blocks(n, 256), 1, 256, b.address(x), b.address(index), b.address(y), n, D, rows);
  return y;
}

function scatterNd(b: CudaBackend, { indices, updates }: Inputs, attrs: Attributes): TensorInfo {
  const { sliceRank, sliceSize } = scatter_util.calculateShapes(
    updates as never,
    indices as never,
    attrs.shape as number[],
  );
  const shape = attrs.shape as number[];
  const place = places(b, indices!, shape, sliceRank);
  const sums = fill(b, shape, 0, updates!.dtype === "bool" ? "int32" : updates!.dtype);
  intoRows(b, updates!, place, sums, sliceSize, true);
  const y = cast(b, sums, updates!.dtype);
  b.release(place, sums);
  return y;
}

function scatterUpdate(b: CudaBackend, { tensor, indices, updates }: Inputs): TensorInfo {
  const { sliceRank, sliceSize } = scatter_util.calculateShapes(updates as never, indices as never, tensor!.shape);
  const y = pick(b, tensor!, tensor!.shape, 0, rowMajor(tensor!.shape));
  const alike = storedAs(b, updates!, b.entry(y.dataId).stored);
  const place = places(b, indices!, tensor!.shape, sliceRank);
  intoRows(b, alike, place, y, sliceSize, false);
  b.release(place, alike);
  return y;
}

/** `y[index[n]] += x[n]` onto zeros: x `[N, ..]` -> `[rows, ..]`. */
function segments(b: CudaBackend, x: TensorInfo, index: TensorInfo, rows: number): TensorInfo {
  const y = fill(b, [rows, ...x.shape.slice(1)], 0, x.dtype === "bool" ? "int32" : x.dtype);
  const whole = cast(b, index, "int32");
  intoRows(b, x, whole, y, sizeOf(x.shape.slice(1)), true);
  b.release(whole);
  return y;
}

const hot: Compute = (b, { indices }, attrs) => {
  const {
    depth,
    onValue,
    offValue,
    dtype = "int32",
  } = attrs as { depth: number; onValue: number; offValue: number; dtype?: DataType };
  const y = b.output([...indices!.shape, depth], dtype);
  const n = sizeOf(y.shape);
  const whole = cast(b, indices!, "int32");
  const { stored } = b.entry(y.dataId);
  const launch = b.program(`oneHot_${stored}`, () => oneHot(`oneHot_${stored}`, stored));
  if (n) launch(blocks(n, 256), 1, 256, b.address(whole), b.address(y), n, depth, onValue, offValue);
  b.release(whole);
  return y;
};

export const rows: Table = {
  GatherNd: gatherNd,
  GatherV2: gather,
  OneHot: hot,
  ScatterNd: scatterNd,
  TensorScatterUpdate: scatterUpdate,
  UnsortedSegmentSum: (b, { x, segmentIds }, { numSegments }) => segments(b, x!, segmentIds!, numSegments as number),
  "orthant.pickRows": (b, { table, index }) =>
    rowsOf(b, table!, index!, { O: 1, R: table!.shape[0]!, inner: table!.shape[1]! }, [
      index!.shape[0]!,
      table!.shape[1]!,
    ]),
  "orthant.sumIntoRows": (b, { x, index }, attrs) => segments(b, x!, index!, attrs.rows as number),
};
