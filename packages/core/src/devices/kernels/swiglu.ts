// A linear unit behind a gate (Dauphin et al. 2017) of silu, x sigmoid(x): the middle of Llama's perceptron (Shazeer: GLU variants
// improve transformer, 2020).
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Two tensors of one shape. */
export interface Gated {
  readonly gate: tf.Tensor;
  readonly up: tf.Tensor;
}

/** Computes `silu(gate) up` element by element. */
export const swiglu: Kernel<Gated, tf.Tensor> = kernel("orthant.swiglu", ({ gate, up }) =>
  tf.sigmoid(gate).mul(gate).mul(up),
);

/** `swiglu` once more, and its gradients by gate and up; with s = sigmoid(gate) that of silu is `s + silu (1 - s)`. */
export const swigluGrad: Kernel<Gated & { readonly dy: tf.Tensor }, [y: tf.Tensor, dgate: tf.Tensor, dup: tf.Tensor]> =
  kernel("orthant.swigluGrad", ({ gate, up, dy }) => {
    const s = tf.sigmoid(gate);
    const silu = s.mul(gate);
    const slope = silu.sub(silu.mul(s)).add(s);
    return [silu.mul(up), dy.mul(up).mul(slope), dy.mul(silu)];
  });
