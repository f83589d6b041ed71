// Matrix products for the wasm backend, whose kernel is fast in one form only: both sides plain, no batch; and with
// one row on the left it has crashed, so that at least two are given. Products in other forms are brought to that one.
// M, K, N rows, shared and columns of a product; P number of products in a batch
import * as tf from "@tensorflow/tfjs";
import { allocate, floats, multiplyEach } from "./heap.ts";

/** Rows that a transposition moves at once: 16 floats of a column fill one cache line of the result. */
const tile = 16;

interface Strip {
  readonly rows: number;
  readonly columns: number;
  readonly top: number;
  readonly bottom: number;
  readonly c: number;
}

function fourColumns(y: Float32Array, x: Float32Array, { rows, columns, top, bottom, c }: Strip): void {
  const y0 = c * rows;
  const y1 = y0 + rows;
  const y2 = y1 + rows;
  const y3 = y2 + rows;
  for (let r = top; r < bottom; r++) {
    const from = r * columns + c;
    y[y0 + r] = x[from]!;
    y[y1 + r] = x[from + 1]!;
    y[y2 + r] = x[from + 2]!;
    y[y3 + r] = x[from + 3]!;
  }
}

/** Four columns at a time: twice as fast as square tiles, 0.8 against 0.4 Gelem/s. */
function transposeInto(y: Float32Array, x: Float32Array, rows: number, columns: number): void {
  const fours = columns - (columns % 4);
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let c = 0; c < fours; c += 4) fourColumns(y, x, { rows, columns, top, bottom, c });
    for (let c = fours; c < columns; c++) {
      for (let r = top; r < bottom; r++) y[c * rows + r] = x[r * columns + c]!;
    }
  }
}

/** The transpose of a matrix, or of every matrix of a batch. */
export function transposed(x: tf.Tensor): tf.Tensor {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const y = allocate([...x.shape.slice(0, -2), columns, rows]);
  const from = floats(x);
  const to = floats(y);
  const size = rows * columns;
  for (let at = 0; at < x.size; at += size) {
    transposeInto(to.subarray(at, at + size), from.subarray(at, at + size), rows, columns);
  }
  return y;
}

/** `a_PMK b_PKN`, product by product. */
export function products(a_PMK: tf.Tensor, b_PKN: tf.Tensor): tf.Tensor {
  const [P, M, K] = a_PMK.shape as [number, number, number];
  if (M > 1) return multiplyEach(a_PMK, b_PKN);
  return a_PMK.reshape([P, K, 1]).mul(b_PKN).sum(1, true);
}

/** Sums over rows: `[N, F] -> [F]`. A product with ones, since the stock kernel for sums is slow along the first dim. */
export function columnSums({ x: x_NF }: { readonly x: tf.Tensor }): tf.Tensor {
  const [N, F] = x_NF.shape as [number, number];
  return tf.tidy(() =>
    tf
      .matMul(tf.ones([2, N]), x_NF)
      .slice([0, 0], [1, F])
      .reshape([F]),
  );
}
