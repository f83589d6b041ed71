// Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019) with their gradients, along the last dim. RMS norm is
// layer norm with the mean taken as 0.
// N rows, D width; stat_N2 holds each row's mean and reciprocal deviation
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";
import { columnSums } from "./rows.ts";

/** Which norm it is. */
export interface Norm {
  /** Subtract the mean (layer norm) or not (RMS norm). */
  readonly center: boolean;
  /** Added to the variance. */
  readonly epsilon: number;
}

const column = (stat_N2: tf.Tensor, i: number): tf.Tensor => stat_N2.slice([0, i], [-1, 1]);

function statistics(x_ND: tf.Tensor, { center, epsilon }: Norm): tf.Tensor {
  const mean_N1 = center ? x_ND.mean(-1, true) : tf.zeros([x_ND.shape[0]!, 1]);
  const variance_N1 = x_ND.sub(mean_N1).square().mean(-1, true);
  return tf.concat([mean_N1, variance_N1.add(epsilon).rsqrt()], 1);
}

export interface NormInputs {
  readonly x: tf.Tensor;
  readonly gain: tf.Tensor;
  readonly bias?: tf.Tensor | undefined;
}

/**
 * `(x - mean) / deviation * gain + bias` of each row: x `[N, D]`, gain and bias `[D]` -> `[N, D]`, and what
 * `layerNormGrad` needs beside inputs: here `[N, 2]`, the mean and 1 / deviation; a device may keep something else.
 */
export const layerNorm: Kernel<NormInputs, [y: tf.Tensor, stat: tf.Tensor], Norm> = kernel(
  "orthant.layerNorm",
  ({ x, gain, bias }, norm) => {
    const stat_N2 = statistics(x, norm);
    const y_ND = x.sub(column(stat_N2, 0)).mul(column(stat_N2, 1)).mul(gain);
    return [bias ? y_ND.add(bias) : y_ND, stat_N2];
  },
);

export interface NormGradInputs {
  readonly dy: tf.Tensor;
  readonly x: tf.Tensor;
  readonly stat: tf.Tensor;
  readonly gain: tf.Tensor;
}

/**
 * Gradients of `layerNorm` by x `[N, D]`, through its statistics too, by the gain `[D]` and, with `center`, by the bias `[D]`:
 * `columnSums(dy)`. With h = (x - mean) / deviation and g = dy gain: `dx = (g - mean(g) - h mean(g h)) / deviation`,
 * `dgain = sum dy h`.
 */
export const layerNormGrad: Kernel<NormGradInputs, tf.Tensor[], Norm> = kernel(
  "orthant.layerNormGrad",
  ({ dy, x, stat, gain }, { center }) => {
    const scale_N1 = column(stat, 1);
    const h_ND = x.sub(column(stat, 0)).mul(scale_N1);
    const g_ND = dy.mul(gain);
    const along = g_ND.sub(h_ND.mul(g_ND.mul(h_ND).mean(-1, true)));
    const dx = (center ? along.sub(g_ND.mean(-1, true)) : along).mul(scale_N1);
    const dgain = dy.mul(h_ND).sum(0);
    return center ? [dx, dgain, columnSums({ x: dy })] : [dx, dgain];
  },
);
