// Convolutions and pooling with their gradients: strides, dilations, paddings of every kind, odd sizes, channels that are a multiple
// of 4 and not.
import * as tf from "@tensorflow/tfjs";
import type { Operation } from "./cases.ts";
import { type Drawn, floats } from "./draws.ts";

type T = tf.Tensor;
type T4 = tf.Tensor4D;
type Pad = "same" | "valid" | number;

interface Window {
  readonly strides?: number;
  readonly pad?: Pad;
  readonly dilations?: number;
}

/** y, then the gradients of the sum of `dy y` by every input. */
function withGradients(f: (...xs: T[]) => T): (...xs: T[]) => T[] {
  return (...xs) => {
    const { value, grads } = tf.valueAndGrads(
      (...given: T[]) =>
        f(...given)
          .mul(weights(f(...given)))
          .sum() as tf.Scalar,
    )(xs);
    value.dispose();
    return [f(...xs), ...grads];
  };
}

/** Numbers that differ from element to element, so that gradients do too. */
const weights = (y: T): T => tf.range(0, y.size, 1, "float32").mul(0.37).sin().reshape(y.shape);

const made =
  (f: (...xs: T[]) => T, ...inputs: Drawn[]): (() => Operation) =>
  () => ({ inputs, run: withGradients(f) });

const convolution = (x: number[], filter: number[], { strides = 1, pad = "same", dilations = 1 }: Window = {}) =>
  made((a, w) => tf.conv2d(a as T4, w as T4, strides, pad, "NHWC", dilations), floats(...x), floats(...filter));

const depthwise = (x: number[], filter: number[], { strides = 1, pad = "same", dilations = 1 }: Window = {}) =>
  made(
    (a, w) => tf.depthwiseConv2d(a as T4, w as T4, strides, pad, "NHWC", dilations),
    floats(...x),
    floats(...filter),
  );

const largest = (x: number[], size: number, strides: number, pad: Pad) =>
  made((a) => tf.maxPool(a as T4, size, strides, pad), floats(...x));

const average = (x: number[], size: number, strides: number, pad: Pad) =>
  made((a) => tf.avgPool(a as T4, size, strides, pad), floats(...x));

const fused =
  (activation: "relu" | "sigmoid" | "linear"): (() => Operation) =>
  () => ({
    inputs: [floats(2, 5, 6, 4), floats(3, 3, 4, 8), floats(8)],
    run: (x, filter, bias) =>
      tf.fused.conv2d({
        x: x as T4,
        filter: filter as T4,
        strides: 1,
        pad: "same",
        bias: bias as tf.Tensor1D,
        activation,
      }),
  });

export const convolutionOperations: readonly (readonly [name: string, make: () => Operation])[] = [
  ["conv2d", convolution([2, 7, 6, 4], [3, 3, 4, 5])],
  ["conv2d of odd channels", convolution([2, 5, 5, 3], [3, 2, 3, 7], { pad: "valid" })],
  ["conv2d with strides", convolution([1, 9, 8, 3], [3, 3, 3, 4], { strides: 2 })],
  ["conv2d with padding in numbers", convolution([2, 6, 6, 2], [3, 3, 2, 3], { pad: 2 })],
  [
    "conv2d with dilations",
    () => ({
      inputs: [floats(1, 9, 9, 4), floats(3, 3, 4, 4)],
      run: (x, filter) => tf.conv2d(x as T4, filter as T4, 1, "same", "NHWC", 2), // tfjs has no gradient of it
    }),
  ],
  ["conv2d of 1 x 1", convolution([2, 4, 5, 8], [1, 1, 8, 6])],
  ["depthwiseConv2d", depthwise([2, 6, 5, 3], [3, 3, 3, 2])],
  ["depthwiseConv2d with strides", depthwise([1, 8, 8, 4], [3, 3, 4, 1], { strides: 2, pad: "valid" })],
  ["maxPool", largest([2, 6, 6, 3], 2, 2, "valid")],
  ["maxPool of four channels", largest([2, 6, 9, 4], 3, 3, "valid")],
  ["maxPool that leaves a row", largest([1, 7, 6, 4], 2, 2, "valid")],
  ["maxPool of windows that overlap", largest([2, 7, 7, 2], 3, 2, "same")],
  ["avgPool", average([2, 6, 6, 3], 2, 2, "valid")],
  ["avgPool of windows that overlap", average([1, 7, 6, 2], 3, 2, "same")],
  ["fused conv2d, relu", fused("relu")],
  ["fused conv2d, sigmoid", fused("sigmoid")],
  ["fused conv2d, linear", fused("linear")],
];
