// Dropout (Srivastava et al. 2014), scaled in training so that nothing is done to the values when sampling. The numbers are
// drawn outside and handed in, so that a recomputed forward, and every mesh, drops the same elements.

import { differentiable, type Everywhere, elements, type Segment, segment } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";

/** A number that is 1, which no draw gives, stands for a forward without training: there nothing is dropped, nor scaled. */
function dropped(x: tf.Tensor, uniform: tf.Tensor, rate: number): tf.Tensor {
  const scale = 1 / (1 - rate);
  const drawn = uniform.greaterEqual(rate).cast("float32").mul(scale);
  return x.mul(
    drawn.sub(
      uniform
        .greaterEqual(1)
        .cast("float32")
        .mul(scale - 1),
    ),
  );
}

/**
 * `x`, and uniform numbers in [0, 1) of its shape (`tape.random`) -> `x * (u >= rate) / (1 - rate)`. Has no parameters; keeps
 * the numbers. Throws RangeError for a rate outside [0, 1).
 */
export function dropout(rate: number): Segment<Everywhere, Everywhere> {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout(${rate}): the rate must be at least 0 and below 1`);
  return segment({
    name: "dropout",
    params: [],
    reads: [false, true],
    run: (_, x, uniform) =>
      differentiable({
        inputs: [x!],
        forward: (save) => {
          save([uniform!]);
          return dropped(x!, uniform!, rate);
        },
        backward: (dy, [u]) => [() => dropped(dy, u!, rate)],
      }),
    shape: (_, x = []) => ({ shape: x, flops: 2 * elements(x), kept: 0 }),
  });
}
