// Matrix products of int32 on the wasm heap, in plain loops: tfjs's wasm kernel takes float32 alone. Sums wrap as int32 do.
// M, K, N rows, shared and columns of a product; P number of products in a batch
import * as tf from "@tensorflow/tfjs";
import { allocateInts, ints } from "./heap.ts";
import type { Attrs } from "./replacement.ts";

/** Steps from one element to the next, along rows and along columns of a matrix. */
type Steps = readonly [down: number, right: number];

const steps = (x: tf.Tensor, flip: unknown): Steps => {
  const columns = x.shape.at(-1)!;
  return flip ? [1, columns] : [columns, 1];
};

/** Number of the matrix of `x` that belongs to product `p` of the batch `outer`, where dims of 1 are read again. */
function matrixAt(x: tf.Tensor, outer: readonly number[], p: number): number {
  const own = x.shape.slice(0, -2);
  let [at, size, rest] = [0, 1, p];
  for (let dim = 1; dim <= outer.length; dim++) {
    const [of, here] = [outer.at(-dim)!, own.at(-dim) ?? 1];
    if (here > 1) at += (rest % of) * size;
    size *= here;
    rest = Math.floor(rest / of);
  }
  return at * x.shape.at(-1)! * x.shape.at(-2)!;
}

/** `a b`, both int32, `[.., M, K] [.., K, N]` or transposed -> `[.., M, N]`, where outer dims of 1 go with any. */
export function integerProducts(a: tf.Tensor, b: tf.Tensor, { transposeA, transposeB }: Attrs): tf.Tensor {
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [M, K] = (transposeA ? [-1, -2] : [-2, -1]).map((dim) => a.shape.at(dim)!) as [number, number];
  const N = b.shape.at(transposeB ? -2 : -1)!;
  const product = allocateInts([...outer, M, N]);
  const [y, x, w] = [ints(product), ints(a), ints(b)];
  const [[xDown, xRight], [wDown, wRight]] = [steps(a, transposeA), steps(b, transposeB)];
  for (let at = 0; at < y.length; at++) {
    const p = Math.floor(at / (M * N));
    const [m, n] = [Math.floor(at / N) % M, at % N];
    let [i, j, sum] = [matrixAt(a, outer, p) + m * xDown, matrixAt(b, outer, p) + n * wRight, 0];
    for (let k = 0; k < K; k++, i += xRight, j += wDown) sum = (sum + Math.imul(x[i]!, w[j]!)) | 0;
    y[at] = sum;
  }
  return product;
}
