// Squared error, summed: the caller divides by the global number of values.

import { differentiable, type Everywhere, elements, type Segment, segment } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";

function run(y: tf.Tensor, target: tf.Tensor): tf.Tensor {
  return differentiable({
    inputs: [y],
    forward: (save) => {
      save([y, target]);
      return y.sub(target).square().sum();
    },
    backward: (dy, [again, at]) => [() => again!.sub(at!).mul(dy.mul(2))],
  });
}

/** `y`, `target` of one shape -> the sum of `(y - target)^2`, a scalar. */
export const squaredError: Segment<Everywhere, Everywhere> = segment({
  name: "squaredError",
  params: [],
  run: (_, y, target) => run(y!, target!),
  shape: (_, y = []) => ({ shape: [], flops: 3 * elements(y), kept: 0 }),
});
