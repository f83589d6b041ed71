// Layer norm, RMS norm and their gradients in one or two passes a row on the wasm heap.
// N rows, D width; stat_N2 holds each row's mean and reciprocal deviation
import type * as tf from "@tensorflow/tfjs";
import type { Norm, NormGradInputs, NormInputs } from "../kernels/norm.ts";
import { allocate, floats } from "./heap.ts";
import { columnSums } from "./matmul.ts";

function rowStatistics(x: Float32Array, at: number, D: number, { center, epsilon }: Norm): [number, number] {
  let mean = 0;
  if (center) for (let i = at; i < at + D; i++) mean += x[i]!;
  mean /= D;
  let squares = 0;
  for (let i = at; i < at + D; i++) squares += (x[i]! - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / D + epsilon)];
}

/** `(x - mean) / deviation * gain + bias`, and the statistics of each row. */
export function layerNorm({ x: x_ND, gain: gain_D, bias: bias_D }: NormInputs, norm: Norm): [tf.Tensor, tf.Tensor] {
  const [N, D] = x_ND.shape as [number, number];
  const [y_ND, stat_N2] = [allocate(x_ND.shape), allocate([N, 2])];
  const [y, x, stat, gain] = [floats(y_ND), floats(x_ND), floats(stat_N2), floats(gain_D)];
  const bias = bias_D ? floats(bias_D) : new Float32Array(D);
  for (let n = 0, at = 0; n < N; n++, at += D) {
    stat.set(rowStatistics(x, at, D, norm), 2 * n);
    const mean = stat[2 * n]!;
    const scale = stat[2 * n + 1]!;
    for (let d = 0; d < D; d++) y[at + d] = (x[at + d]! - mean) * scale * gain[d]! + bias[d]!;
  }
  return [y_ND, stat_N2];
}

/** Gradients by x, by the gain and by the bias: see the reference. */
export function layerNormGrad(
  { dy: dy_ND, x: x_ND, stat: stat_N2, gain: gain_D }: NormGradInputs,
  { center }: Norm,
): tf.Tensor[] {
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
    g = center ? g / D : 0;
    gh /= D;
    for (let d = 0; d < D; d++) {
      const h = (x[at + d]! - mean) * scale;
      dx[at + d] = (dy[at + d]! * gain[d]! - g - h * gh) * scale;
    }
  }
  floats(dgain_D).set(sums);
  return center ? [dx_ND, dgain_D, columnSums({ x: dy_ND })] : [dx_ND, dgain_D];
}
