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
