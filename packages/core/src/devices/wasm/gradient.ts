// A function with a gradient written by hand: `tf.customGrad` with types that say what it needs.
import * as tf from "@tensorflow/tfjs";

export interface Differentiable {
  /** What the gradient is taken of, in the order of `backward`'s answer. */
  readonly inputs: readonly tf.Tensor[];
  /** Kept from forward to backward: inputs themselves, reshapes of them, and what `forward` names. */
  readonly forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor;
  /** One gradient an input, from the output's gradient and what was saved. */
  readonly backward: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
}

/** Runs `forward` now; the tape, if one is open, calls `backward`. Intermediate tensors are freed in both. */
export function differentiable({ inputs, forward, backward }: Differentiable): tf.Tensor {
  const run = tf.customGrad((...args) => ({
    value: forward(args.at(-1) as (tensors: tf.Tensor[]) => void),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => backward(dy, saved)),
  }));
  return run(...inputs);
}
