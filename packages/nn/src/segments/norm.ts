// Layer norm and RMS norm along the last dim. Of their own they keep two numbers a row: the input is an input.
// B batch, T time, N = B T, D model width

import { elements, type Segment, type Shape, segment } from "@orthant/core";
import {
  columnSums,
  differentiable,
  type Norm,
  normalized,
  normGradients,
  rows,
  statistics,
} from "@orthant/core/internal";
import type * as tf from "@tensorflow/tfjs";

function run(norm: Norm, params: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const [gain_D, bias_D] = params as [tf.Tensor, tf.Tensor?];
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const stat_N2 = statistics(rows(x_BTD), norm);
      save([gain_D, x_BTD, stat_N2]);
      return normalized(rows(x_BTD), stat_N2, gain_D, bias_D).reshape(x_BTD.shape);
    },
    backward: (dy_BTD, [gain, x, stat_N2]) => {
      const dy_ND = rows(dy_BTD);
      const { dx, dgain } = normGradients(dy_ND, rows(x!), stat_N2!, gain!, norm);
      return [dgain, ...(bias_D ? [columnSums(dy_ND)] : []), dx.reshape(x_BTD.shape)];
    },
  });
}

const shape = (_: readonly Shape[], x: Shape = []) => ({
  shape: x,
  flops: 8 * elements(x),
  kept: (2 * elements(x)) / (x.at(-1) as number),
});

/** `(x - mean) / sqrt(variance + 1e-5) * gain + bias` along the last dim; gain and bias `[D]` (Ba et al. 2016). */
export const layerNorm: Segment<"I", "I"> = segment({
  name: "layerNorm",
  params: ["gain", "bias"],
  reads: [true, false, true],
  run: (params, x) => run({ center: true, epsilon: 1e-5 }, params, x!),
  shape,
});

/** `x / sqrt(mean(x^2) + 1e-5) * gain` along the last dim; gain `[D]` (Zhang & Sennrich 2019). */
export const rmsNorm: Segment<"I", "I"> = segment({
  name: "rmsNorm",
  params: ["gain"],
  run: (params, x) => run({ center: false, epsilon: 1e-5 }, params, x!),
  shape,
});
