// tfjs's own matrix product as a kernel: what `tf.matMul` does before it, checks and conversions, costs as much as a small product.
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

export interface Transposes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** `op(a) op(b)` of two float32 matrices whose inner dims agree: nothing is checked. */
export const product: Kernel<{ a: tf.Tensor; b: tf.Tensor }, tf.Tensor, Transposes> = kernel(
  tf.BatchMatMul,
  ({ a, b }, { transposeA, transposeB }) => tf.matMul(a, b, transposeA, transposeB),
);
