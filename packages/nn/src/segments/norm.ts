// Layer norm and RMS norm along the last dim. Of their own they keep two numbers a row: the input is an input.
// B batch, T time, N = B T, D model width

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
import type * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { layerNorm: normalize, layerNormGrad } = kernels;

function run(norm: kernels.Norm, params: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const [gain_D, bias_D] = params as [tf.Tensor, tf.Tensor?];
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const [y_ND, stat] = normalize({ x: rows(x_BTD), gain: gain_D, bias: bias_D }, norm);
      save([gain_D, x_BTD, stat]);
      return view(y_ND, x_BTD.shape);
    },
    shared: (dy_BTD, [gain, x, stat]) =>
      layerNormGrad({ dy: rows(dy_BTD), x: rows(x!), stat: stat!, gain: gain! }, norm),
    backward: (_dy, _, [dx_ND, dgain_D, dbias_D]) => [
      () => view(dgain_D!),
      ...(bias_D ? [() => view(dbias_D!)] : []),
      () => view(dx_ND!, x_BTD.shape),
    ],
  });
}

const shape = (_: readonly Shape[], x: Shape = []) => ({
  shape: x,
  flops: 8 * elements(x),
  kept: (2 * elements(x)) / (x.at(-1) as number),
});

/** `(x - mean) / sqrt(variance + epsilon) * gain + bias` along the last dim; gain and bias `[D]` (Ba et al. 2016). */
export const layerNormWith = (epsilon: number): Segment<Everywhere, Everywhere> =>
  segment({
    name: "layerNorm",
    params: ["gain", "bias"],
    reads: [true, false, true],
    run: (params, x) => run({ center: true, epsilon }, params, x!),
    shape,
  });

/** `x / sqrt(mean(x^2) + epsilon) * gain` along the last dim; gain `[D]` (Zhang & Sennrich 2019). */
export const rmsNormWith = (epsilon: number): Segment<Everywhere, Everywhere> =>
  segment({
    name: "rmsNorm",
    params: ["gain"],
    run: (params, x) => run({ center: false, epsilon }, params, x!),
    shape,
  });

/** `layerNormWith(1e-5)`: gain and bias `[D]`. */
export const layerNorm: Segment<Everywhere, Everywhere> = layerNormWith(1e-5);

/** `rmsNormWith(1e-5)`: gain `[D]`. */
export const rmsNorm: Segment<Everywhere, Everywhere> = rmsNormWith(1e-5);
