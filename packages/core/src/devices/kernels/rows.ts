// Rows of matrices: a bias added to each, their sum, rows of a table picked by index and summed back into it.
// N rows, D width, V rows of a table
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Adds one row to every row: x `[.., D]`, row `[D]` -> `[.., D]`. */
export const addRow: Kernel<{ x: tf.Tensor; row: tf.Tensor }, tf.Tensor> = kernel("orthant.addRow", ({ x, row }) =>
  x.add(row),
);

export interface BranchInputs {
  readonly stream: tf.Tensor;
  readonly branch: tf.Tensor;
  readonly row: tf.Tensor;
}

/** The end of a residual branch, `stream + branch + row`: `[.., D]` twice, `[D]` -> `[.., D]`. */
export const addBranch: Kernel<BranchInputs, tf.Tensor> = kernel("orthant.addBranch", ({ stream, branch, row }) =>
  addRow({ x: stream.add(branch), row }),
);

/** Sums over rows: x `[N, D]` -> `[D]`. The gradient of a bias. */
export const columnSums: Kernel<{ x: tf.Tensor }, tf.Tensor> = kernel("orthant.columnSums", ({ x }) => x.sum(0));

/** Rows as float32, 1 in the column of each index and 0 elsewhere: `[N]` (int32) -> `[N, V]`. */
export const oneHot = (index_N: tf.Tensor, V: number): tf.Tensor =>
  tf.oneHot(index_N.toInt() as tf.Tensor1D, V).toFloat(); // tfjs's wasm kernel writes integers whatever type it is asked for

/** `table[index[n]]` for each n: table `[V, D]`, index `[N]` (int32) -> `[N, D]`. On wasm an index outside the table is a RangeError. */
export const pickRows: Kernel<{ table: tf.Tensor; index: tf.Tensor }, tf.Tensor> = kernel(
  "orthant.pickRows",
  ({ table, index }) => tf.gather(table, index as tf.Tensor1D),
);

/** `y[index[n]] += x[n]` onto zeros: x `[N, D]`, index `[N]` (int32) -> `[rows, D]`. The gradient of `pickRows`. */
export const sumIntoRows: Kernel<{ x: tf.Tensor; index: tf.Tensor }, tf.Tensor, { readonly rows: number }> = kernel(
  "orthant.sumIntoRows",
  ({ x, index }, { rows }) => tf.matMul(oneHot(index, rows), x as tf.Tensor2D, true),
);

/** Matrices of one height side by side, as the operand of a product: `[D, W]` each -> `[D, sum of W]`. */
export const joinColumns: Kernel<readonly tf.Tensor[], tf.Tensor> = kernel("orthant.joinColumns", (xs) =>
  tf.concat([...xs], 1),
);
