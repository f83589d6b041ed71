// The transformer's perceptron as one kernel, and all its gradients as another: for a device on which a call costs more than a small product.
// N rows, D width, F hidden width
import type * as tf from "@tensorflow/tfjs";
import { geluProduct, geluProductGrad } from "./gelu.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { product } from "./product.ts";
import { columnSums } from "./rows.ts";

export interface MlpInputs {
  readonly x: tf.Tensor;
  readonly up: tf.Tensor;
  readonly bias: tf.Tensor;
  readonly down: tf.Tensor;
}

/** `gelu(x up + bias) down`: x `[N, D]`, up `[D, F]`, bias `[F]`, down `[F, D]` -> `[N, D]`, and what `geluProduct` keeps. */
export const mlp: Kernel<MlpInputs, [y: tf.Tensor, kept: tf.Tensor]> = kernel(
  "orthant.mlp",
  ({ x, up, bias, down }) => {
    const [active, kept] = geluProduct({ x, w: up, bias });
    return [product({ a: active, b: down }, { transposeA: false, transposeB: false }), kept];
  },
);

export interface MlpGradInputs {
  /** `[N, D]`. */
  readonly dy: tf.Tensor;
  readonly x: tf.Tensor;
  readonly up: tf.Tensor;
  readonly down: tf.Tensor;
  readonly kept: tf.Tensor;
}

/** Gradients of `mlp` by up, bias, down and x, each of the shape of its own. */
export const mlpGrad: Kernel<MlpGradInputs, [dup: tf.Tensor, dbias: tf.Tensor, ddown: tf.Tensor, dx: tf.Tensor]> =
  kernel("orthant.mlpGrad", ({ dy, x, up, down, kept }) => {
    const [active, dhidden] = geluProductGrad({ dy, w: down, kept });
    return [
      product({ a: x, b: dhidden }, { transposeA: true, transposeB: false }),
      columnSums({ x: dhidden }),
      product({ a: active, b: dy }, { transposeA: true, transposeB: false }),
      product({ a: dhidden, b: up }, { transposeA: false, transposeB: true }),
    ];
  });
