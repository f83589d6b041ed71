// Rows on the wasm heap: a bias added to each, where the stock kernel broadcasts at a twentieth of the speed at which it
// adds; rows of a table picked by index and summed back into it, for which wasm has no stock gradient.
// N rows, D width, V rows of a table
import type * as tf from "@tensorflow/tfjs";
import { allocate, floats, ints } from "./heap.ts";

/** `x [.., D] + row [D]`. */
export function addRow({ x, row }: { readonly x: tf.Tensor; readonly row: tf.Tensor }): tf.Tensor {
  const y = allocate(x.shape);
  const [to, from, added] = [floats(y), floats(x), floats(row)];
  const D = added.length;
  for (let at = 0; at < to.length; at += D) {
    for (let d = 0; d < D; d++) to[at + d] = from[at + d]! + added[d]!;
  }
  return y;
}

function checked(row: number, V: number): number {
  if (row >= 0 && row < V) return row;
  throw new RangeError(`index ${row} into a table of ${V} rows: indices run from 0 to ${V - 1}`);
}

/** `table[index[n]]` for each n: `[V, D]`, `[N]` (int32) -> `[N, D]`. Throws RangeError for an index outside the table. */
export function pickRows({
  table: table_VD,
  index,
}: {
  readonly table: tf.Tensor;
  readonly index: tf.Tensor;
}): tf.Tensor {
  const [V, D] = table_VD.shape as [number, number];
  const y_ND = allocate([index.size, D]);
  const [y, table] = [floats(y_ND), floats(table_VD)];
  ints(index).forEach((row, n) => {
    const at = checked(row, V) * D;
    y.set(table.subarray(at, at + D), n * D);
  });
  return y_ND;
}

/** `y[index[n]] += x[n]`, in the order of n, onto zeros, for the indices that are `wanted`: `[N, D]`, `[N]` (int32) -> `[V, D]`. */
export function addToRows(
  { x: x_ND, index }: { readonly x: tf.Tensor; readonly index: tf.Tensor },
  V: number,
  wanted: (row: number) => boolean = () => true,
): tf.Tensor {
  const D = x_ND.shape[1]!;
  const y_VD = allocate([V, D]);
  const [y, x] = [floats(y_VD).fill(0), floats(x_ND)];
  ints(index).forEach((row, n) => {
    if (!wanted(row)) return;
    const [to, from] = [checked(row, V) * D, n * D];
    for (let d = 0; d < D; d++) y[to + d] = y[to + d]! + x[from + d]!;
  });
  return y_VD;
}

/** `addToRows` of all indices, `[N, D]`, `[N]` (int32) -> `[rows, D]`. Throws RangeError for an index outside the table. */
export const sumIntoRows = (
  inputs: { readonly x: tf.Tensor; readonly index: tf.Tensor },
  { rows }: { readonly rows: number },
): tf.Tensor => addToRows(inputs, rows);
