// Gelu in its tanh form (Hendrycks & Gimpel 2016, as in GPT-2), written through one sigmoid, because
// tanh(z) = 2 sigmoid(2z) - 1 and tfjs's wasm tanh is 15 times slower: gelu(x) = x sigmoid(x (a + b x^2)).
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

const a = 2 * Math.sqrt(2 / Math.PI);
const b = 0.044715 * a;

const gate = (x: tf.Tensor, square: tf.Tensor): tf.Tensor => tf.sigmoid(square.mul(b).add(a).mul(x));

/** Computes gelu element by element, in a tensor of the shape of `x`. */
export const gelu: Kernel<{ x: tf.Tensor }, tf.Tensor> = kernel("orthant.gelu", ({ x }) => gate(x, x.square()).mul(x));

/** `gelu(x)` once more, and `dy gelu'(x)`, with the gate s computed once: `s + x s (1 - s) (a + 3 b x^2)`. */
export const geluGrad: Kernel<{ x: tf.Tensor; dy: tf.Tensor }, [y: tf.Tensor, dx: tf.Tensor]> = kernel(
  "orthant.geluGrad",
  ({ x, dy }) => {
    const square = x.square();
    const s = gate(x, square);
    const y = s.mul(x);
    const slope = y.sub(y.mul(s)).mul(square.mul(3 * b).add(a));
    return [y, slope.add(s).mul(dy)];
  },
);

export interface GeluProductInputs {
  readonly x: tf.Tensor;
  readonly w: tf.Tensor;
  readonly bias: tf.Tensor;
}

/**
 * `gelu(x w + bias)`: x `[N, D]`, w `[D, F]`, bias `[F]` -> `[N, F]`, and what `geluProductGrad` needs beside: here what
 * goes into gelu, `[N, F]`; a device may keep something else.
 */
export const geluProduct: Kernel<GeluProductInputs, [y: tf.Tensor, kept: tf.Tensor]> = kernel(
  "orthant.geluProduct",
  ({ x, w, bias }) => {
    const hidden = tf.fused.matMul({ a: x as tf.Tensor2D, b: w as tf.Tensor2D, bias });
    return [gelu({ x: hidden }), hidden];
  },
);

export interface GeluProductGradInputs {
  readonly dy: tf.Tensor;
  readonly w: tf.Tensor;
  readonly kept: tf.Tensor;
}

/**
 * The way back through a product `gelu(..) w`: dy `[N, D]`, w `[F, D]` and what `geluProduct` kept -> gelu's result once
 * more and the gradient by what went into gelu, `(dy w^T) gelu'`, both `[N, F]`.
 */
export const geluProductGrad: Kernel<GeluProductGradInputs, [y: tf.Tensor, dx: tf.Tensor]> = kernel(
  "orthant.geluProductGrad",
  ({ dy, w, kept }) => geluGrad({ x: kept, dy: tf.matMul(dy, w, false, true) }),
);
