// Causal attention of every head (Vaswani et al. 2017) and its gradient, and the softmax they are made of. A device that
// never holds the scores (Dao et al. 2022) registers the two attention kernels; one with a fast softmax only, that.
// P batch x heads, T time, K width of one head
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Stands for minus infinity: its exponential is 0 after the maximum was taken off. */
export const masked = -1e30;

export interface Scaled {
  /** Multiplies the scores first: 1 / sqrt(K). */
  readonly scale: number;
}

/** 1 where a query (row) may look at a key (column): on and below the diagonal. */
const causal = (T: number): tf.Tensor => tf.linalg.bandPart(tf.ones([T, T]), -1, 0);

/** Computes `softmax(scale score)` along rows, where row t sees columns 0 .. t: score `[P, T, T]`, the same out. */
export const causalSoftmax: Kernel<{ score: tf.Tensor }, tf.Tensor, Scaled> = kernel(
  "orthant.causalSoftmax",
  ({ score }, { scale }) =>
    tf.softmax(
      score.mul(scale).add(
        causal(score.shape[1] as number)
          .sub(1)
          .mul(-masked),
      ),
    ),
);

/** Gradient of `causalSoftmax` by the scores: `scale p (dp - sum p dp)`, zero above the diagonal; all `[P, T, T]`. */
export const causalSoftmaxGrad: Kernel<{ p: tf.Tensor; dp: tf.Tensor }, tf.Tensor, Scaled> = kernel(
  "orthant.causalSoftmaxGrad",
  ({ p, dp }, { scale }) => dp.sub(p.mul(dp).sum(-1, true)).mul(p).mul(scale),
);

export interface Heads {
  readonly q: tf.Tensor;
  readonly k: tf.Tensor;
  readonly v: tf.Tensor;
}

/**
 * Values mixed by causal attention: q, k, v `[P, T, K]` -> `[P, T, K]`, and what `attentionGrad` needs beside q, k, v:
 * here the probabilities `[P, T, T]`; a device may keep something else.
 */
export const attention: Kernel<Heads, [y: tf.Tensor, kept: tf.Tensor], Scaled> = kernel(
  "orthant.attention",
  ({ q, k, v }, { scale }) => {
    const p_PTT = causalSoftmax({ score: tf.matMul(q, k, false, true) }, { scale });
    return [tf.matMul(p_PTT, v), p_PTT];
  },
);

/** Inputs of the gradient of attention. */
export interface AttentionGradInputs extends Heads {
  readonly dy: tf.Tensor;
  readonly kept: tf.Tensor;
}

/** Gradients of `attention` by q, k and v, each `[P, T, K]`. */
export const attentionGrad: Kernel<AttentionGradInputs, [dq: tf.Tensor, dk: tf.Tensor, dv: tf.Tensor], Scaled> = kernel(
  "orthant.attentionGrad",
  ({ dy, q, k, v, kept: p_PTT }, { scale }) => {
    const dp_PTT = tf.matMul(dy, v, false, true);
    const dscore_PTT = causalSoftmaxGrad({ p: p_PTT, dp: dp_PTT }, { scale });
    return [tf.matMul(dscore_PTT, k), tf.matMul(dscore_PTT, q, true), tf.matMul(p_PTT, dy, true)];
  },
);
