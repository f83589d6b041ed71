// Runs an expression over tensors that broadcast against each other: picks the kernel by their types and shapes.
import type { DataType, TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { storage } from "../backend/entry.ts";
import { type Mode, type Operand, elementwise as source } from "../sources/elementwise.ts";
import type { Stored } from "../sources/prelude.ts";
import { blocks, broadcastStrides, collapse, sizeOf, type Walk } from "./dims.ts";

/** What to compute, element by element. */
export interface Expression {
  /** Names the kernel: one name, one text. */
  readonly name: string;
  /** C++ of a, b, c .. and s0, s1 .. */
  readonly text: string;
  readonly constants?: readonly number[];
}

interface Given extends Operand {
  /** The parameter: an address, or the number itself. */
  readonly parameter: number;
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

function modeOf(x: TensorInfo, shape: readonly number[], total: number, size: number): Mode {
  if (size === total) return "each";
  return size === 1 ? "one" : same(x.shape, shape) ? "each" : "walk";
}

/** Whether a tensor is one row, of a multiple of 4 elements, for all rows of a shape. */
function isRow({ shape }: TensorInfo, to: readonly number[]): boolean {
  const width = to.at(-1) ?? 1;
  return width % 4 === 0 && shape.at(-1) === width && shape.slice(0, -1).every((n) => n === 1);
}

/** Rows where every operand that does not have all elements is one row; otherwise strides. */
function withRows(xs: readonly TensorInfo[], inputs: readonly Given[], shape: readonly number[]): readonly Given[] {
  const rows = xs.every((x, i) => inputs[i]!.mode !== "walk" || isRow(x, shape));
  return rows ? inputs.map((at) => (at.mode === "walk" ? { ...at, mode: "row" } : at)) : inputs;
}

function given(b: CudaBackend, x: TensorInfo, shape: readonly number[], total: number): Given {
  const { stored, size, address, single } = b.entry(x.dataId);
  if (size === 1 && !address && single !== undefined) return { stored, mode: "value", parameter: single };
  return { stored, mode: modeOf(x, shape, total, size), parameter: b.address(x) };
}

/** bf16 where every float32 input is stored so, else as the dtype is stored. */
function resultType(inputs: readonly Given[], dtype: DataType): Stored {
  if (dtype !== "float32") return storage(dtype);
  const floats = inputs.filter(({ stored, mode }) => mode !== "value" && (stored === "f32" || stored === "bf16"));
  return floats.length && floats.every(({ stored }) => stored === "bf16") ? "bf16" : "f32";
}

function walkOf(xs: readonly TensorInfo[], inputs: readonly Given[], shape: readonly number[]): Walk | undefined {
  const walking = xs.filter((_, i) => inputs[i]!.mode === "walk");
  if (!walking.length) return undefined;
  return collapse({ dims: shape, strides: walking.map((x) => broadcastStrides(x.shape, shape)) });
}

const short: Readonly<Record<Mode, string>> = { each: "e", value: "v", one: "o", row: "r", walk: "w" };

/** Computes an expression of tensors that broadcast to `shape`; the result is `dtype`, stored as `stored`. */
export function apply(
  b: CudaBackend,
  { name, text, constants = [] }: Expression,
  xs: readonly TensorInfo[],
  shape: readonly number[],
  dtype: DataType,
  stored?: Stored,
): TensorInfo {
  const n = sizeOf(shape);
  const inputs = withRows(
    xs,
    xs.map((x) => given(b, x, shape, n)),
    shape,
  );
  const y = b.output(shape, dtype, stored ?? resultType(inputs, dtype));
  if (!n) return y;
  const walk = walkOf(xs, inputs, shape);
  const output = b.entry(y.dataId).stored;
  const rank = walk?.dims.length ?? 0;
  const kinds = inputs.map(({ stored, mode }) => stored + short[mode]).join("_");
  const kernel = `${name}_${kinds}_${output}${rank || ""}`;
  const at = { expression: text, inputs, output, constants: constants.length, rank };
  const launch = b.program(kernel, () => source(kernel, at));
  const parameters = [...inputs.map(({ parameter }) => parameter), b.address(y), n, ...constants];
  if (walk) launch(blocks(n, 256), 1, 256, ...parameters, ...walk.dims, ...walk.strides.flat());
  else if (inputs.some(({ mode }) => mode === "row")) launch(blocks(n, 1024), 1, 256, ...parameters, shape.at(-1)!);
  else launch(blocks(n, 1024), 1, 256, ...parameters);
  return y;
}
