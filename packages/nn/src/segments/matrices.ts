// What several segments do with matrices, in tfjs operations.
// N rows, D width, F width of the result
import { view } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** Every dim but the last as one: `[.., D] -> [N, D]`. Shares memory. */
export function rows(x: tf.Tensor): tf.Tensor2D {
  const D = x.shape.at(-1)!;
  return view(x, [x.size / D, D]) as tf.Tensor2D;
}

/** `x_ND w_DF + bias_F`. */
export const affine = (x_ND: tf.Tensor2D, w_DF: tf.Tensor, bias?: tf.Tensor): tf.Tensor =>
  bias ? tf.fused.matMul({ a: x_ND, b: w_DF as tf.Tensor2D, bias }) : tf.matMul(x_ND, w_DF);
