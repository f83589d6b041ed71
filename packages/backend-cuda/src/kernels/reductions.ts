// tfjs's kernels that reduce dims: sum, mean, product, largest and smallest, all, any, their indices, running sums.
import { backend_util, type DataType, type TensorInfo, util } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import type { Stored } from "../sources/prelude.ts";
import { argRows, type Reduce, reduceColumns, reduceRows, reduceWideColumns, scan } from "../sources/reduce.ts";
import { cast, fill } from "./arithmetic.ts";
import { blocks, sizeOf } from "./dims.ts";
import { transpose } from "./moves.ts";
import type { Attributes, Compute, Table } from "./table.ts";

/** `[O, R, I]` to be reduced over R. */
export interface Middle {
  readonly O: number;
  readonly R: number;
  readonly I: number;
}

/** Parts of the middle that keep the card busy: at most 1024, of at least so many elements. */
export function partsOf({ R }: Middle, running: number, processors: number, least = 512): number {
  const wanted = Math.ceil((4 * processors) / running);
  return Math.max(1, Math.min(1024, wanted, Math.floor(R / least)));
}

export function launchRows(
  b: CudaBackend,
  at: Reduce,
  name: string,
  x: number,
  y: number,
  { O, R }: Middle,
  parts: number,
  scale: number,
) {
  const part = Math.ceil(R / parts);
  const threads = part <= 256 ? 32 : part <= 2048 ? 128 : 512;
  b.program(`${name}_rows`, () => reduceRows(`${name}_rows`, at))(O, parts, threads, x, y, R, part, scale);
}

function launchColumns(
  b: CudaBackend,
  at: Reduce,
  name: string,
  x: number,
  y: number,
  { O, R, I }: Middle,
  parts: number,
  scale: number,
) {
  const wide = I % 4 === 0;
  const across = blocks(I, wide ? 128 : 32);
  const label = `${name}_${wide ? "wide" : "columns"}`;
  const launch = b.program(label, () => (wide ? reduceWideColumns : reduceColumns)(label, at));
  launch(O * across, parts, 256, x, y, R, I, Math.ceil(R / parts), across, scale);
}

/** What a reduction computes, beside which elements. */
export interface Wanted {
  readonly kind: string;
  /** Names `each`. */
  readonly name?: string;
  /** C++ of x, done to each element before. */
  readonly each?: string;
  /** Multiplies the result, floats only. */
  readonly scale?: number;
}

/** Reduces the middle of data seen as `[O, R, I]` into a tensor of `shape`. */
export function reduce(
  b: CudaBackend,
  wanted: Wanted,
  x: TensorInfo,
  at: Middle,
  shape: readonly number[],
  dtype: DataType,
): TensorInfo {
  const { kind, name = "", each = "x", scale = 1 } = wanted;
  const y = b.output(shape, dtype);
  const [input, output] = [b.entry(x.dataId).stored, b.entry(y.dataId).stored];
  const launch = at.I === 1 ? launchRows : launchColumns;
  const across = blocks(at.I, at.I % 4 === 0 ? 128 : 32);
  const parts =
    at.I === 1 ? partsOf(at, at.O, b.gpu.processors) : partsOf(at, at.O * across, 2 * b.gpu.processors, 128);
  const label = (from: Stored, to: Stored) => `${kind}${name}_${from}_${to}`;
  if (parts === 1) {
    launch(b, { kind, input, output, each }, label(input, output), b.address(x), b.address(y), at, 1, scale);
    return y;
  }
  const middle: Stored = input === "bf16" ? "f32" : input === "u8" ? "i32" : input;
  const half = b.output([at.O, parts, at.I], middle === "f32" ? "float32" : "int32");
  launch(b, { kind, input, output: middle, each }, label(input, middle), b.address(x), b.address(half), at, parts, 1);
  const rest = { kind, input: middle, output, each: "x" };
  launch(b, rest, `${kind}_${middle}_${output}`, b.address(half), b.address(y), { ...at, R: parts }, 1, scale);
  b.release(half);
  return y;
}

/** Brings the reduced dims together; `release` gives back what that took. */
function together(
  b: CudaBackend,
  x: TensorInfo,
  axes: readonly number[],
): { x: TensorInfo; at: Middle; kept: number[] } {
  const kept = x.shape.filter((_, d) => !axes.includes(d));
  const R = sizeOf(axes.map((d) => x.shape[d]!));
  const runs = axes.every((d, i) => i === 0 || d === axes[i - 1]! + 1);
  if (runs && axes.length) {
    const [O, I] = [sizeOf(x.shape.slice(0, axes[0])), sizeOf(x.shape.slice(axes.at(-1)! + 1))];
    return { x: b.share(x), at: { O, R, I }, kept };
  }
  const order = [...x.shape.keys()].filter((d) => !axes.includes(d)).concat(axes as number[]);
  return { x: transpose(b, x, order), at: { O: sizeOf(kept), R, I: 1 }, kept };
}

const resultType = (kind: string, x: TensorInfo): DataType =>
  kind === "All" || kind === "Any"
    ? "bool"
    : x.dtype === "bool" && (kind === "Sum" || kind === "Prod")
      ? "int32"
      : x.dtype;

const starts: Readonly<Record<string, number>> = { Sum: 0, Prod: 1, All: 1, Any: 0, Max: -Infinity, Min: Infinity };

/** Reduces a tensor over axes, which fall away or, with `keepDims`, become 1. */
export function reduceAxes(
  b: CudaBackend,
  wanted: Wanted,
  x: TensorInfo,
  axis: number | number[] | undefined,
  keepDims: boolean,
): TensorInfo {
  const axes = util.parseAxisParam(axis as number[], x.shape).toSorted((p, q) => p - q);
  const dtype = resultType(wanted.kind, x);
  const whole = together(b, x, axes);
  const shape = keepDims ? backend_util.expandShapeToKeepDim(whole.kept, axes) : whole.kept;
  const empty = !sizeOf(x.shape);
  const y = empty ? fill(b, shape, starts[wanted.kind]!, dtype) : reduce(b, wanted, whole.x, whole.at, shape, dtype);
  b.release(whole.x);
  return y;
}

const reduced =
  (kind: string): Compute =>
  (b, { x }, { axis, reductionIndices, keepDims }) =>
    reduceAxes(b, { kind }, x!, (reductionIndices ?? axis) as number[], keepDims as boolean);

function mean(b: CudaBackend, x: TensorInfo, { axis, keepDims }: Attributes): TensorInfo {
  const axes = util.parseAxisParam(axis as number[], x.shape);
  const float = cast(b, x, "float32");
  const scale = 1 / sizeOf(axes.map((d) => x.shape[d]!));
  const y = reduceAxes(b, { kind: "Sum", scale }, float, axes, keepDims as boolean);
  b.release(float);
  return y;
}

const index =
  (name: string, sign: ">" | "<"): Compute =>
  (b, { x }, { axis }) => {
    const whole = together(b, x!, util.parseAxisParam(axis as number, x!.shape));
    const { O, R, I } = whole.at;
    const rows = I === 1 ? b.share(whole.x) : transpose(b, { ...whole.x, shape: [O, R, I] }, [0, 2, 1]);
    const y = b.output(whole.kept, "int32");
    const { stored } = b.entry(rows.dataId);
    const launch = b.program(`${name}_${stored}`, () => argRows(`${name}_${stored}`, stored, sign));
    if (O * I) launch(blocks(O * I, 8), 1, 256, b.address(rows), b.address(y), O * I, R);
    b.release(rows, whole.x);
    return y;
  };

const running =
  (kind: "Sum" | "Prod"): Compute =>
  (b, { x }, attrs) => {
    const { axis, exclusive, reverse } = attrs as { axis: number; exclusive: boolean; reverse: boolean };
    const at = axis < 0 ? axis + x!.shape.length : axis;
    const input = x!.dtype === "bool" ? cast(b, x!, "int32") : b.share(x!);
    const { stored } = b.entry(input.dataId);
    const y = b.output(x!.shape, input.dtype, stored);
    const [R, I] = [x!.shape[at] ?? 1, sizeOf(x!.shape.slice(at + 1))];
    const n = sizeOf(x!.shape) / Math.max(1, R);
    const launch = b.program(`Cum${kind}_${stored}`, () => scan(`Cum${kind}_${stored}`, stored, kind));
    if (n) launch(blocks(n, 256), 1, 256, b.address(input), b.address(y), n, R, I, Number(exclusive), Number(reverse));
    b.release(input);
    return y;
  };

export const reductions: Table = {
  ...Object.fromEntries(["Sum", "Prod", "Max", "Min", "All", "Any"].map((kind) => [kind, reduced(kind)])),
  ArgMax: index("ArgMax", ">"),
  ArgMin: index("ArgMin", "<"),
  Cumprod: running("Prod"),
  Cumsum: running("Sum"),
  Mean: (b, { x }, attrs) => mean(b, x!, attrs),
};
