// Rows of a table picked by index, and the sum of rows back into a table, for the embedding. Loops on the wasm heap,
// which lacks the kernel for the gradient of `gather`; elsewhere `gather` and a product with one-hot rows.
// N rows picked, V rows of the table, D width
import * as tf from "@tensorflow/tfjs";
import { allocate, floats, ints, onWasm } from "./heap.ts";
import { product } from "./matmul.ts";

function checked(row: number, V: number): number {
  if (row >= 0 && row < V) return row;
  throw new RangeError(`index ${row} into a table of ${V} rows: indices run from 0 to ${V - 1}`);
}

/** `[N] -> [N, V]`, float32: tfjs's wasm kernel writes integers whatever type it is asked for. */
export const oneHot = (index_N: tf.Tensor, V: number): tf.Tensor =>
  tf.oneHot(index_N.toInt() as tf.Tensor1D, V).toFloat();

/** `table[index[n]]` for each n: `[V, D]`, `[N]` (int32) -> `[N, D]`. Throws RangeError on wasm for an index outside the table. */
export function pickRows(table_VD: tf.Tensor, index_N: tf.Tensor): tf.Tensor {
  const [V, D] = table_VD.shape as [number, number];
  if (!onWasm()) return tf.gather(table_VD, index_N as tf.Tensor1D);
  const y_ND = allocate([index_N.size, D]);
  const [y, table] = [floats(y_ND), floats(table_VD)];
  ints(index_N).forEach((row, n) => {
    const at = checked(row, V) * D;
    y.set(table.subarray(at, at + D), n * D);
  });
  return y_ND;
}

/** `y[index[n]] += x[n]`, in the order of n, onto zeros: `[N, D]`, `[N]` (int32) -> `[V, D]`. */
export function sumIntoRows(x_ND: tf.Tensor, index_N: tf.Tensor, V: number): tf.Tensor {
  const D = x_ND.shape[1]!;
  if (!onWasm()) return product(oneHot(index_N, V).transpose(), x_ND);
  const y_VD = allocate([V, D]);
  const [y, x] = [floats(y_VD).fill(0), floats(x_ND)];
  ints(index_N).forEach((row, n) => {
    const [to, from] = [checked(row, V) * D, n * D];
    for (let d = 0; d < D; d++) y[to + d] = y[to + d]! + x[from + d]!;
  });
  return y_VD;
}
