// The sum of two gradients of one activation: where the residual stream meets what a branch adds to it.
import type * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Adds what one more segment says to the gradient of an activation so far: two tensors of one shape. Products will read the sum. */
export const addGradient: Kernel<{ seen: tf.Tensor; dx: tf.Tensor }, tf.Tensor> = kernel(
  "orthant.addGradient",
  ({ seen, dx }) => seen.add(dx),
);
