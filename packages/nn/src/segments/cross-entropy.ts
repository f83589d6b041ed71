// Cross-entropy of a softmax against target indices, summed over tokens: the caller divides by the global token
// count. No mean is taken here, for a mean of means depends on how the batch is cut.
// B batch, T time, N = B T, V vocabulary

import { differentiable, type Everywhere, elements, kernels, type Segment, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { oneHot } = kernels;

/**
 * `log sum exp logits - logits[target]`, summed. The largest probability of a row is `exp(max) / sum exp` and at least
 * 1 / V, so `max - log` of it is the log-sum-exp, at any scale of the logits.
 */
function loss(logits_NV: tf.Tensor, target_NV: tf.Tensor): tf.Tensor {
  const logSumExp_N = logits_NV.max(-1).sub(tf.softmax(logits_NV).max(-1).log());
  return logSumExp_N.sub(logits_NV.mul(target_NV).sum(-1)).sum();
}

/** Keeps nothing of its own: the softmax is run again, from the logits. */
function run(logits: tf.Tensor, target: tf.Tensor): tf.Tensor {
  const V = logits.shape.at(-1)!;
  return differentiable({
    inputs: [logits],
    forward: (save) => {
      save([logits, target]);
      return loss(rows(logits), oneHot(target.flatten(), V));
    },
    backward: (dy, [x, at]) => [() => tf.softmax(rows(x!)).sub(oneHot(at!.flatten(), V)).mul(dy).reshape(logits.shape)],
  });
}

/** `logits [B, T, V]`, `targets [B, T]` (int32) -> the sum over tokens of `-log p(target)`, a scalar, in nats. */
export const crossEntropy: Segment<Everywhere, Everywhere> = segment({
  name: "crossEntropy",
  params: [],
  run: (_, logits, target) => run(logits!, target!),
  shape: (_, logits = []) => ({ shape: [], flops: 5 * elements(logits), kept: 0 }),
});
