// Causal softmax over scores, and its gradient: one pass over the lower triangle on the wasm heap.
// P batch x heads, T time
import * as tf from "@tensorflow/tfjs";
import { masked, type Scaled } from "../kernels/attention.ts";
import { allocate, floats } from "./heap.ts";

/** `softmax(scale score)` along rows, where row t sees columns 0 .. t. */
export function causalSoftmax({ score }: { readonly score: tf.Tensor }, { scale }: Scaled): tf.Tensor {
  const T = score.shape[1]!;
  const y = score.mul(scale);
  const to = floats(y);
  for (let row = 0; row * T < to.length; row++) to.fill(masked, row * T + (row % T) + 1, (row + 1) * T);
  const p_PTT = tf.softmax(y);
  y.dispose();
  return p_PTT;
}

function rowGradient(
  to: Float32Array,
  p: Float32Array,
  dp: Float32Array,
  from: number,
  end: number,
  scale: number,
): void {
  let sum = 0;
  for (let i = from; i < end; i++) sum += p[i]! * dp[i]!;
  for (let i = from; i < end; i++) to[i] = p[i]! * (dp[i]! - sum) * scale;
}

/** Gradient of `causalSoftmax` by the scores: `scale p (dp - sum p dp)`; zero above the diagonal. */
export function causalSoftmaxGrad(
  { p: p_PTT, dp: dp_PTT }: { readonly p: tf.Tensor; readonly dp: tf.Tensor },
  { scale }: Scaled,
): tf.Tensor {
  const T = p_PTT.shape[1]!;
  const y = allocate(p_PTT.shape);
  const [to, p, dp] = [floats(y), floats(p_PTT), floats(dp_PTT)];
  for (let row = 0; row * T < to.length; row++) {
    const end = row * T + (row % T) + 1;
    rowGradient(to, p, dp, row * T, end, scale);
    to.fill(0, end, (row + 1) * T);
  }
  return y;
}
