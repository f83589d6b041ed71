// Causal softmax over scores, and its gradient. One pass over the lower triangle on the wasm heap; stock operations
// elsewhere.
// P batch x heads, T time
import * as tf from "@tensorflow/tfjs";
import { allocate, floats, onWasm } from "./heap.ts";

/** Stands for minus infinity; its exponential is 0 after the maximum was taken off. */
const masked = -1e30;

/** 1 where a query (row) may look at a key (column): on and below the diagonal. */
export const causal = (T: number): tf.Tensor => tf.linalg.bandPart(tf.ones([T, T]), -1, 0);

function maskedScores(score_PTT: tf.Tensor, scale: number): tf.Tensor {
  const T = score_PTT.shape[1]!;
  if (!onWasm()) return score_PTT.mul(scale).add(causal(T).sub(1).mul(-masked));
  const y = score_PTT.mul(scale);
  const to = floats(y);
  for (let row = 0; row * T < to.length; row++) to.fill(masked, row * T + (row % T) + 1, (row + 1) * T);
  return y;
}

/** `softmax(scale score)` along rows, where row t sees columns 0 .. t. */
export const causalSoftmax = (score_PTT: tf.Tensor, scale: number): tf.Tensor =>
  tf.softmax(maskedScores(score_PTT, scale));

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
export function causalSoftmaxGradient(p_PTT: tf.Tensor, dp_PTT: tf.Tensor, scale: number): tf.Tensor {
  if (!onWasm()) return dp_PTT.sub(p_PTT.mul(dp_PTT).sum(-1, true)).mul(p_PTT).mul(scale);
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
