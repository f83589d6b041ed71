// A model in Hugging Face's words: its config.json, and of each tensor of its files which of our parameters it holds and how they
// lie in it. Plain data and pure functions; what reads and writes files is beside this.
import { elements, type Shape } from "@orthant/core";

/** A tensor under Hugging Face's name. */
export interface NamedForm {
  readonly name: string;
  readonly shape: Shape;
  /** Our parameters whose columns it has side by side, in parts of one size. None: it is zeros, which our model does without. */
  readonly of: readonly string[];
  /** Rows and columns are swapped: `nn.Linear` keeps `[out, in]`, and weights here are `[in, out]`. */
  readonly transposed: boolean;
}

export interface HuggingFaceForm {
  /** What config.json says. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly NamedForm[];
  /** What names begin with that a file of the bare model has without it: `transformer.`. */
  readonly prefix: string;
  /** Tensors that some files have beside: masks and frequencies, which are no parameters, and a tied head. */
  readonly beside: RegExp;
}

/** A tensor of one parameter, or of several side by side. */
export const named = (name: string, shape: Shape, ...of: string[]): NamedForm => ({
  name,
  shape,
  of,
  transposed: false,
});

/** The weight of an `nn.Linear` for our parameter of `[from, to]`. */
export const linearWeight = (name: string, from: number, to: number, of: string): NamedForm => ({
  name,
  shape: [to, from],
  of: [of],
  transposed: true,
});

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column]!;
  return turned;
}

/** Rows and columns of a tensor as its parts lie in it: a vector is one row. */
function matrixOf({ shape }: NamedForm): [rows: number, columns: number] {
  const columns = shape.at(-1)!;
  return [elements(shape) / columns, columns];
}

/** Values of parameter number `part` in those of the tensor. */
export function takePart(form: NamedForm, values: Float32Array, part: number): Float32Array {
  const [rows, columns] = matrixOf(form);
  if (form.transposed) return transposed(values, rows, columns);
  const width = columns / form.of.length;
  if (width === columns) return values;
  const taken = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const from = row * columns + part * width;
    taken.set(values.subarray(from, from + width), row * width);
  }
  return taken;
}

/** Values of the tensor from those of its parameters, in their order. */
export function joinParts(form: NamedForm, parts: readonly Float32Array[]): Float32Array {
  const [rows, columns] = matrixOf(form);
  if (form.transposed) return transposed(parts[0]!, columns, rows);
  if (parts.length === 1) return parts[0]!;
  const values = new Float32Array(rows * columns);
  const width = columns / parts.length;
  for (const [i, part] of parts.entries())
    for (let row = 0; row < rows; row++)
      values.set(part.subarray(row * width, (row + 1) * width), row * columns + i * width);
  return values;
}
