// Cross-entropy of a softmax against target indices, and its gradient.
// N rows, V vocabulary
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";
import { oneHot } from "./rows.ts";

/**
 * Sum over rows of `-log p(target)`: logits `[N, V]`, target `[N]` (int32) -> a scalar, and each row's log-sum-exp `[N]`. The
 * largest probability of a row is `exp(max) / sum exp` and at least 1 / V, so `max - log` of it is the log-sum-exp.
 */
export const crossEntropy: Kernel<{ logits: tf.Tensor; target: tf.Tensor }, [loss: tf.Tensor, lse: tf.Tensor]> = kernel(
  "orthant.crossEntropy",
  ({ logits, target }) => {
    const lse = logits.max(-1).sub(tf.softmax(logits).max(-1).log());
    const picked = logits.mul(oneHot(target, logits.shape[1]!)).sum(-1);
    return [lse.sub(picked).sum(), lse];
  },
);

export interface CrossEntropyGradInputs {
  readonly logits: tf.Tensor;
  readonly target: tf.Tensor;
  readonly lse: tf.Tensor;
  /** A scalar. */
  readonly dy: tf.Tensor;
}

/** Gradient of `crossEntropy` by the logits, `dy (softmax - one-hot)`, `[N, V]`. */
export const crossEntropyGrad: Kernel<CrossEntropyGradInputs, tf.Tensor> = kernel(
  "orthant.crossEntropyGrad",
  ({ logits, target, dy }) => tf.softmax(logits).sub(oneHot(target, logits.shape[1]!)).mul(dy),
);
