// Cross-entropy of a softmax against target indices, summed over tokens: the caller divides by the global token
// count. No mean is taken here, for a mean of means depends on how the batch is cut.
// B batch, T time, N = B T, V vocabulary

import { differentiable, type Everywhere, elements, kernels, type Segment, segment, view } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { crossEntropy: crossEntropyOf, crossEntropyGrad } = kernels;

/** Keeps each row's log-sum-exp. */
function run(logits: tf.Tensor, target: tf.Tensor): tf.Tensor {
  return differentiable({
    inputs: [logits],
    forward: (save) => {
      const [loss, lse] = crossEntropyOf({ logits: rows(logits), target: target.flatten() });
      save([logits, target, lse]);
      return loss;
    },
    backward: (dy, [x, at, lse]) => [
      () => view(crossEntropyGrad({ logits: rows(x!), target: at!.flatten(), lse: lse!, dy }), logits.shape),
    ],
  });
}

/** `logits [B, T, V]`, `targets [B, T]` (int32) -> the sum over tokens of `-log p(target)`, a scalar, in nats. */
export const crossEntropy: Segment<Everywhere, Everywhere> = segment({
  name: "crossEntropy",
  params: [],
  run: (_, logits, target) => run(logits!, target!),
  shape: (_, logits = []) => ({ shape: [], flops: 5 * elements(logits), kept: elements(logits.slice(0, -1)) }),
});
