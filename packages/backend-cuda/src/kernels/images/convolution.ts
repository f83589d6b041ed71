// tfjs's convolutions over `[B, H, W, C]`: plain ones by matrix products over patches, depthwise ones by kernels of their own.
// K elements of a patch, F filters
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../../backend/backend.ts";
import { addPatches, depthwise, depthwiseFilter, depthwiseInput, patches } from "../../sources/convolution.ts";
import { bytesOf } from "../../sources/prelude.ts";
import { combine, fill } from "../arithmetic.ts";
import { blocks, sizeOf } from "../dims.ts";
import { apply } from "../elementwise.ts";
import { filtersFirst, filtersLast, library, patchSize } from "../library.ts";
import { activate, multiply } from "../products.ts";
import type { Attributes, Compute, Inputs, Table } from "../table.ts";
import { type Geometry, geometry, windowOf } from "./geometry.ts";

/** Bytes of patches that are there at a time. */
const MOST = 512 * 2 ** 20;

/** Whether patches are the input itself. */
const isPointwise = (at: Geometry): boolean =>
  at.filterHeight * at.filterWidth * at.strideHeight * at.strideWidth === 1 && at.padInfo.top + at.padInfo.left === 0;

/** Samples `from .. from + count - 1` of a batch. */
interface Part {
  readonly from: number;
  readonly count: number;
}

/** Parts of the batch whose patches fit. */
function parts(at: Geometry, bytes: number): Part[] {
  const each = at.outHeight * at.outWidth * at.filterHeight * at.filterWidth * at.inChannels * bytes;
  const most = Math.max(1, Math.min(at.batchSize, Math.floor(MOST / Math.max(1, each))));
  const starts = Array.from({ length: Math.ceil(at.batchSize / most) }, (_, i) => i * most);
  return starts.map((from) => ({ from, count: Math.min(most, at.batchSize - from) }));
}

const places = (at: Geometry): number => at.outHeight * at.outWidth;

/** Patches of a part of x, `[count P, K]`, new. */
function patchesOf(b: CudaBackend, x: TensorInfo, at: Geometry, { from, count }: Part): TensorInfo {
  const { stored } = b.entry(x.dataId);
  const to = b.precision === "bf16" ? "bf16" : "f32";
  const y = b.output([count * places(at), patchSize(at)], "float32", to);
  const wide = at.inChannels % 4 === 0 ? 4 : 1;
  const name = `patches${wide}_${stored}_${to}`;
  const launch = b.program(name, () => patches(name, stored, to, wide));
  const start = b.address(x) + from * at.inHeight * at.inWidth * at.inChannels * bytesOf[stored];
  const n = sizeOf(y.shape) / wide;
  launch(blocks(n, 256), 1, 256, start, b.address(y), n, ...windowOf(at));
  return y;
}

/** Rows of a part of `[B, .., F]`, copied unless they are all. */
function rowsOf(b: CudaBackend, x: TensorInfo, { from, count }: Part): TensorInfo {
  const [B, F] = [x.shape[0]!, x.shape.at(-1)!];
  const each = sizeOf(x.shape) / B;
  const shape = [(count * each) / F, F];
  if (count === B) return b.share(x, shape);
  const { stored } = b.entry(x.dataId);
  const y = b.output(shape, x.dtype, stored);
  const bytes = bytesOf[stored];
  b.gpu.copy(b.address(y), b.address(x) + from * each * bytes, count * each * bytes);
  return y;
}

interface Fusion {
  readonly bias?: TensorInfo | undefined;
  readonly relu: boolean;
}

const epilogueOf = ({ bias, relu }: Fusion) => (bias ? (relu ? "reluBias" : "bias") : relu ? "relu" : "none");

/** The plain convolution by the library; undefined where it has none. */
function byLibrary(b: CudaBackend, x: TensorInfo, filter: TensorInfo, at: Geometry): TensorInfo | undefined {
  const found = library(b, at, [x, filter]);
  if (!found) return undefined;
  const [turned, y] = [filtersFirst(b, filter, at), b.output(at.outShape, "float32")];
  const addresses = { x: b.address(x), filter: b.address(turned), y: b.address(y) };
  const done = found.by.forward(found.shape, b.memoryPool, addresses);
  b.release(turned);
  if (done) return y;
  b.release(y);
  return undefined;
}

function convolve(b: CudaBackend, x: TensorInfo, filter: TensorInfo, at: Geometry, how: Fusion): TensorInfo {
  const plain = isPointwise(at) ? undefined : byLibrary(b, x, filter, at);
  if (plain) return behind(b, plain, how);
  const matrix = { ...filter, shape: [patchSize(at), at.outChannels] };
  const wanted = { epilogue: epilogueOf(how), bias: how.bias } as const;
  if (isPointwise(at)) {
    const rows = { ...x, shape: [at.batchSize * places(at), at.inChannels] };
    return { ...multiply(b, rows, matrix, wanted), shape: at.outShape };
  }
  const all = parts(at, b.precision === "bf16" ? 2 : 4);
  const results = all.map((part) => {
    const rows = patchesOf(b, x, at, part);
    const y = multiply(b, rows, matrix, wanted);
    b.release(rows);
    return y;
  });
  return joined(b, results, at.outShape);
}

/** Puts a bias and relu behind a convolution, which is released. */
function behind(b: CudaBackend, y: TensorInfo, { bias, relu }: Fusion): TensorInfo {
  if (!bias && !relu) return y;
  const sum = bias ? "a + b" : "a";
  const text = relu ? `fmaxf(${sum}, 0.f)` : sum;
  const done = apply(
    b,
    { name: `Behind${bias ? "Bias" : ""}${relu ? "Relu" : ""}`, text },
    bias ? [y, bias] : [y],
    y.shape,
    "float32",
  );
  b.release(y);
  return done;
}

/** Rows of all parts as one tensor; the parts are released. */
function joined(b: CudaBackend, results: readonly TensorInfo[], shape: readonly number[]): TensorInfo {
  if (results.length === 1) return { ...results[0]!, shape: shape as number[] };
  const { stored } = b.entry(results[0]!.dataId);
  const y = b.output(shape, "float32", stored);
  let at = b.address(y);
  for (const part of results) {
    const bytes = sizeOf(part.shape) * bytesOf[stored];
    b.gpu.copy(at, b.address(part), bytes);
    at += bytes;
  }
  b.release(...results);
  return y;
}

const isEmpty = (shape: readonly number[]): boolean => sizeOf(shape) === 0;

const conv2d: Compute = (b, { x, filter }, attrs) => {
  const at = geometry(x!.shape, filter!.shape, attrs);
  return isEmpty(at.outShape) ? fill(b, at.outShape, 0, "float32") : convolve(b, x!, filter!, at, { relu: false });
};

/** Puts bias and activation behind what they could not be part of. */
function finished(b: CudaBackend, y: TensorInfo, { bias, preluActivationWeights }: Inputs, attrs: Attributes) {
  if (!bias) return activate(b, y, attrs, preluActivationWeights);
  const sum = combine(b, "Add", y, bias);
  b.release(y);
  return activate(b, sum, attrs, preluActivationWeights);
}

const fusedConv2d: Compute = (b, inputs, attrs) => {
  const { x, filter, bias } = inputs;
  const at = geometry(x!.shape, filter!.shape, attrs);
  const row = bias && sizeOf(bias.shape) === at.outChannels && at.outChannels > 1 ? bias : undefined;
  const relu = attrs.activation === "relu" && (row !== undefined || !bias);
  const y = convolve(b, x!, filter!, at, { bias: row, relu });
  const { bias: _, ...rest } = inputs;
  return relu ? y : finished(b, y, row ? rest : inputs, attrs);
};

/** x, dy -> the gradient by the filter, parts of the batch added up. */
const filterGrad: Compute = (b, { x, dy }, attrs) => {
  const shape = attrs.filterShape as number[];
  const at = geometry(x!.shape, shape, attrs);
  const found = library(b, at, [x!, dy!]);
  if (found) {
    const turned = b.output([at.outChannels, patchSize(at)], "float32");
    const addresses = { x: b.address(x!), dy: b.address(dy!), dfilter: b.address(turned) };
    const done = found.by.filterGrad(found.shape, b.memoryPool, addresses);
    const y = done ? filtersLast(b, turned, at) : undefined;
    b.release(turned);
    if (y) return { ...y, shape };
  }
  let sum: TensorInfo | undefined;
  for (const part of parts(at, b.precision === "bf16" ? 2 : 4)) {
    const [rows, slopes] = [patchesOf(b, x!, at, part), rowsOf(b, dy!, part)];
    const gradient = multiply(b, rows, slopes, { transposeA: true });
    b.release(rows, slopes);
    const total = sum ? combine(b, "Add", sum, gradient) : gradient;
    if (sum) b.release(sum, gradient);
    sum = total;
  }
  return { ...sum!, shape };
};

/** dy, filter -> the gradient by the input. */
const inputGrad: Compute = (b, { dy, filter }, attrs) => {
  const shape = attrs.inputShape as number[];
  const at = geometry(shape, filter!.shape, attrs);
  const found = isPointwise(at) ? undefined : library(b, at, [dy!, filter!]);
  if (found) {
    const [turned, dx] = [filtersFirst(b, filter!, at), b.output(shape, "float32")];
    const addresses = { dy: b.address(dy!), filter: b.address(turned), dx: b.address(dx) };
    const done = found.by.inputGrad(found.shape, b.memoryPool, addresses);
    b.release(turned);
    if (done) return dx;
    b.release(dx);
  }
  const matrix = { ...filter!, shape: [patchSize(at), at.outChannels] };
  if (isPointwise(at)) {
    const rows = { ...dy!, shape: [at.batchSize * places(at), at.outChannels] };
    return { ...multiply(b, rows, matrix, { transposeB: true }), shape };
  }
  const results = parts(at, b.precision === "bf16" ? 2 : 4).map((part) => {
    const slopes = rowsOf(b, dy!, part);
    const rows = multiply(b, slopes, matrix, { transposeB: true });
    const y = together(b, rows, at, part);
    b.release(slopes, rows);
    return y;
  });
  return joined(b, results, shape);
};

/** Patches `[count P, K]` summed back into the samples that they are of. */
function together(b: CudaBackend, rows: TensorInfo, at: Geometry, { count }: Part): TensorInfo {
  const { stored } = b.entry(rows.dataId);
  const y = b.output([count, at.inHeight, at.inWidth, at.inChannels], "float32", stored);
  const wide = at.inChannels % 4 === 0 ? 4 : 1;
  const name = `addPatches${wide}_${stored}`;
  const launch = b.program(name, () => addPatches(name, stored, wide));
  const n = sizeOf(y.shape) / wide;
  launch(blocks(n, 256), 1, 256, b.address(rows), b.address(y), n, ...windowOf(at));
  return y;
}

function depthwiseBy(
  make: typeof depthwise,
  b: CudaBackend,
  [first, second]: readonly [TensorInfo, TensorInfo],
  shape: readonly number[],
  at: Geometry,
): TensorInfo {
  const [from, other] = [b.entry(first.dataId).stored, b.entry(second.dataId).stored];
  const y = b.output(shape, "float32");
  const name = `${make === depthwise ? "depthwise" : "depthwiseInput"}_${from}_${other}`;
  const [n, M] = [sizeOf(shape), at.outChannels / at.inChannels];
  const launch = b.program(name, () => make(name, from, other));
  if (n) launch(blocks(n, 256), 1, 256, b.address(first), b.address(second), b.address(y), n, M, ...windowOf(at));
  return y;
}

const depthwiseForward = (b: CudaBackend, { x, filter }: Inputs, attrs: Attributes): TensorInfo => {
  const at = geometry(x!.shape, filter!.shape, attrs, true);
  return depthwiseBy(depthwise, b, [x!, filter!], at.outShape, at);
};

const depthwiseInputGrad: Compute = (b, { dy, filter }, attrs) => {
  const shape = attrs.inputShape as number[];
  return depthwiseBy(depthwiseInput, b, [dy!, filter!], shape, geometry(shape, filter!.shape, attrs, true));
};

const depthwiseFilterGrad: Compute = (b, { x, dy }, attrs) => {
  const shape = attrs.filterShape as number[];
  const at = geometry(x!.shape, shape, attrs, true);
  const [from, other] = [b.entry(x!.dataId).stored, b.entry(dy!.dataId).stored];
  const y = b.output(shape, "float32");
  const name = `depthwiseFilter_${from}_${other}`;
  const launch = b.program(name, () => depthwiseFilter(name, from, other));
  const across = blocks(at.outChannels, 32);
  const given = [x!, dy!, y].map((each) => b.address(each));
  const M = at.outChannels / at.inChannels;
  launch(across, at.filterHeight * at.filterWidth, 256, ...given, at.batchSize, M, ...windowOf(at));
  return y;
};

export const convolutions: Table = {
  Conv2D: conv2d,
  Conv2DBackpropFilter: filterGrad,
  Conv2DBackpropInput: inputGrad,
  DepthwiseConv2dNative: depthwiseForward,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGrad,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGrad,
  FusedConv2D: fusedConv2d,
  FusedDepthwiseConv2D: (b, inputs, attrs) => finished(b, depthwiseForward(b, inputs, attrs), inputs, attrs),
};
