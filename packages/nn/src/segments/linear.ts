// A matrix product along the last dim, with or without a bias: the language model's head among others.
// N rows (every dim of x but the last), D input width, V output width

import { elements, type Segment, type Shape, segment } from "@orthant/core";
import { columnSums, differentiable, product, rows, transposed } from "@orthant/core/internal";
import type * as tf from "@tensorflow/tfjs";

function run(params: readonly tf.Tensor[], x: tf.Tensor): tf.Tensor {
  const [w_DV, bias_V] = params as [tf.Tensor, tf.Tensor?];
  return differentiable({
    inputs: [...params, x],
    forward: (save) => {
      save([w_DV, x]);
      return product(rows(x), w_DV, bias_V).reshape([...x.shape.slice(0, -1), w_DV.shape[1]!]);
    },
    backward: (dy, [w, again]) => {
      const dy_NV = rows(dy);
      const dw_DV = product(transposed(rows(again!)), dy_NV);
      const dx = product(dy_NV, transposed(w!)).reshape(x.shape);
      return bias_V ? [dw_DV, columnSums(dy_NV), dx] : [dw_DV, dx];
    },
  });
}

function shape([weight = []]: readonly Shape[], x: Shape = []) {
  const V = weight[1]!;
  return { shape: [...x.slice(0, -1), V], flops: 2 * elements(x) * V, kept: 0 };
}

/** `x [.., D] -> [.., V]`. Parameters weight `[D, V]`, bias `[V]`. */
export const linear: Segment<"I", "I"> = segment({
  name: "linear",
  params: ["weight", "bias"],
  reads: [true, false, true],
  run: (params, x) => run(params, x!),
  shape,
});

/** `linear` without a bias. */
export const linearWithoutBias: Segment<"I", "I"> = segment({ ...linear, params: ["weight"], reads: [true, true] });
