// A matrix product along the last dim, with or without a bias: the language model's head among others.
// N rows (every dim of x but the last), D input width, V output width

import {
  differentiable,
  type Everywhere,
  elements,
  kernels,
  type Segment,
  type Shape,
  segment,
  view,
} from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { affine, rows } from "./matrices.ts";

function run(params: readonly tf.Tensor[], x: tf.Tensor): tf.Tensor {
  const [w_DV, bias_V] = params as [tf.Tensor, tf.Tensor?];
  return differentiable({
    inputs: [...params, x],
    forward: (save) => {
      save([w_DV, x]);
      return view(affine(rows(x), w_DV, bias_V), [...x.shape.slice(0, -1), w_DV.shape[1]!]);
    },
    backward: (dy, [w, again]) => [
      () => tf.matMul(rows(again!), rows(dy), true),
      ...(bias_V ? [() => kernels.columnSums({ x: rows(dy) })] : []),
      () => view(tf.matMul(rows(dy), w!, false, true), x.shape),
    ],
  });
}

function shape([weight = []]: readonly Shape[], x: Shape = []) {
  const V = weight[1]!;
  return { shape: [...x.slice(0, -1), V], flops: 2 * elements(x) * V, kept: 0 };
}

/** `x [.., D] -> [.., V]`. Parameters weight `[D, V]`, bias `[V]`. */
export const linear: Segment<Everywhere, Everywhere> = segment({
  name: "linear",
  params: ["weight", "bias"],
  reads: [true, false, true],
  run: (params, x) => run(params, x!),
  shape,
});

/** `linear` without a bias. */
export const linearWithoutBias: Segment<Everywhere, Everywhere> = segment({
  ...linear,
  params: ["weight"],
  reads: [true, true],
});
