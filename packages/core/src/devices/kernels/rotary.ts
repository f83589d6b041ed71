// Rotary positions (Su et al.: RoFormer, 2021) in the form that turns the first half of a head with the second, as Llama does.
// P batch x heads, T time, K width of one head, J = K / 2 pairs
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** How far rotary positions turn, and which way (Su et al.: RoFormer, 2021). */
export interface Rotation {
  /** Radians that each of the J pairs turns from one position to the next. */
  readonly frequencies: readonly number[];
  /** Turns the other way, which is the gradient. */
  readonly back: boolean;
}

/** Turns pair j of position t, elements j and j + J, by `t frequencies[j]` radians: x `[P, T, K]`, the same out. Its gradient is itself, back. */
export const rotary: Kernel<{ x: tf.Tensor }, tf.Tensor, Rotation> = kernel(
  "orthant.rotary",
  ({ x }, { frequencies, back }) => {
    const angle_TJ = tf
      .range(0, x.shape[1]!)
      .expandDims(1)
      .mul(tf.tensor1d([...frequencies]));
    const cos = tf.cos(angle_TJ);
    const sin = tf.sin(back ? angle_TJ.neg() : angle_TJ);
    const [a, b] = tf.split(x, 2, 2) as [tf.Tensor, tf.Tensor];
    return tf.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], 2);
  },
);
