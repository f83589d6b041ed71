// Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019) with their gradients, along the last dim. One pass a row on
// the wasm heap; stock operations elsewhere. RMS norm is layer norm with the mean taken as 0.
// N rows, D width; stat_N2 holds each row's mean and reciprocal deviation
import * as tf from "@tensorflow/tfjs";
import { allocate, floats, onWasm } from "./heap.ts";

export interface Norm {
  /** Subtract the mean (layer norm) or not (RMS norm). */
  readonly center: boolean;
  /** Added to the variance. */
  readonly epsilon: number;
}

const column = (stat_N2: tf.Tensor, i: number): tf.Tensor => stat_N2.slice([0, i], [-1, 1]);

function statisticsByOps(x_ND: tf.Tensor, { center, epsilon }: Norm): tf.Tensor {
  const mean_N1 = center ? x_ND.mean(-1, true) : tf.zeros([x_ND.shape[0]!, 1]);
  const variance_N1 = x_ND.sub(mean_N1).square().mean(-1, true);
  return tf.concat([mean_N1, variance_N1.add(epsilon).rsqrt()], 1);
}

function rowStatistics(x: Float32Array, at: number, D: number, { center, epsilon }: Norm): [number, number] {
  let mean = 0;
  if (center) for (let i = at; i < at + D; i++) mean += x[i]!;
  mean /= D;
  let squares = 0;
  for (let i = at; i < at + D; i++) squares += (x[i]! - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / D + epsilon)];
}

/** Mean and reciprocal deviation of each row. */
export function statistics(x_ND: tf.Tensor, norm: Norm): tf.Tensor {
  if (!onWasm()) return statisticsByOps(x_ND, norm);
  const [N, D] = x_ND.shape as [number, number];
  const stat_N2 = allocate([N, 2]);
  const [x, stat] = [floats(x_ND), floats(stat_N2)];
  for (let n = 0; n < N; n++) stat.set(rowStatistics(x, n * D, D, norm), 2 * n);
  return stat_N2;
}

/** `(x - mean) / deviation * gain + bias`. */
export function normalized(x_ND: tf.Tensor, stat_N2: tf.Tensor, gain_D: tf.Tensor, bias_D?: tf.Tensor): tf.Tensor {
  if (!onWasm()) {
    const y = x_ND.sub(column(stat_N2, 0)).mul(column(stat_N2, 1)).mul(gain_D);
    return bias_D ? y.add(bias_D) : y;
  }
  const y_ND = allocate(x_ND.shape);
  const [y, x, stat, gain] = [floats(y_ND), floats(x_ND), floats(stat_N2), floats(gain_D)];
  const D = gain.length;
  const bias = bias_D ? floats(bias_D) : new Float32Array(D);
  for (let n = 0, at = 0; at < y.length; n++, at += D) {
    const mean = stat[2 * n]!;
    const scale = stat[2 * n + 1]!;
    for (let d = 0; d < D; d++) y[at + d] = (x[at + d]! - mean) * scale * gain[d]! + bias[d]!;
  }
  return y_ND;
}

export interface NormGradients {
  readonly dx: tf.Tensor;
  readonly dgain: tf.Tensor;
}

/** With h = (x - mean) / deviation and g = dy gain: `dx = (g - mean(g) - h mean(g h)) / deviation`, `dgain = sum dy h`. */
function gradientsByOps(
  dy_ND: tf.Tensor,
  x_ND: tf.Tensor,
  stat_N2: tf.Tensor,
  gain_D: tf.Tensor,
  { center }: Norm,
): NormGradients {
  const scale_N1 = column(stat_N2, 1);
  const h_ND = x_ND.sub(column(stat_N2, 0)).mul(scale_N1);
  const g_ND = dy_ND.mul(gain_D);
  const along = g_ND.sub(h_ND.mul(g_ND.mul(h_ND).mean(-1, true)));
  const dx = (center ? along.sub(g_ND.mean(-1, true)) : along).mul(scale_N1);
  return { dx, dgain: dy_ND.mul(h_ND).sum(0) };
}

/** Gradients of `normalized` by x, through its statistics too, and by the gain. That of the bias is `columnSums(dy)`. */
export function normGradients(
  dy_ND: tf.Tensor,
  x_ND: tf.Tensor,
  stat_N2: tf.Tensor,
  gain_D: tf.Tensor,
  norm: Norm,
): NormGradients {
  if (!onWasm()) return gradientsByOps(dy_ND, x_ND, stat_N2, gain_D, norm);
  const [dx_ND, dgain_D] = [allocate(x_ND.shape), allocate(gain_D.shape)];
  const [dx, dy, x, stat, gain] = [floats(dx_ND), floats(dy_ND), floats(x_ND), floats(stat_N2), floats(gain_D)];
  const D = gain.length;
  const sums = new Float64Array(D);
  for (let n = 0, at = 0; at < dx.length; n++, at += D) {
    const mean = stat[2 * n]!;
    const scale = stat[2 * n + 1]!;
    let [g, gh] = [0, 0];
    for (let d = 0; d < D; d++) {
      const h = (x[at + d]! - mean) * scale;
      const slope = dy[at + d]!;
      sums[d] = sums[d]! + slope * h;
      g += slope * gain[d]!;
      gh += slope * gain[d]! * h;
    }
    g = norm.center ? g / D : 0;
    gh /= D;
    for (let d = 0; d < D; d++) {
      const h = (x[at + d]! - mean) * scale;
      dx[at + d] = (dy[at + d]! * gain[d]! - g - h * gh) * scale;
    }
  }
  floats(dgain_D).set(sums);
  return { dx: dx_ND, dgain: dgain_D };
}
