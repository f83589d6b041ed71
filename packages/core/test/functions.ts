// What the tests of derivatives share: functions of tensors with their inputs, and reading.
import * as tf from "@tensorflow/tfjs";
import type { Fn } from "../src/rank/tape/vjp.ts";

export interface Sample {
  readonly name: string;
  readonly f: Fn;
  readonly shapes: readonly (readonly number[])[];
}

/** Stock tfjs operations, inputs used twice, not at all, and through reshapes. */
export const functions: readonly Sample[] = [
  {
    name: "product",
    f: (a, b) => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
    shapes: [
      [3, 4],
      [4, 5],
    ],
  },
  {
    name: "layer",
    f: (w, b, x) => tf.relu(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).add(b!)),
    shapes: [[4, 3], [3], [5, 4]],
  },
  { name: "an input used twice", f: (x) => x!.mul(x!).add(x!), shapes: [[6]] },
  { name: "an unused input", f: (x) => x!.sum(), shapes: [[2, 3], [4]] },
  { name: "softmax", f: (x) => tf.softmax(x!).log().sum(), shapes: [[4, 5]] },
  { name: "a reshaped input", f: (x, y) => x!.reshape([6]).mul(y!), shapes: [[2, 3], [6]] },
  {
    name: "several steps",
    f: (x, w) => tf.sigmoid(tf.matMul(tf.tanh(x as tf.Tensor2D), w as tf.Tensor2D)).mean(1),
    shapes: [
      [3, 4],
      [4, 2],
    ],
  },
];

/** Values in -1 .. 1 that differ by input. */
export const inputs = ({ shapes }: Sample): tf.Tensor[] =>
  shapes.map((shape, n) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: size }, (_, i) => Math.sin(1 + 7 * i + 3 * n)),
      [...shape],
    );
  });

export const readAll = (xs: readonly (tf.Tensor | undefined)[]): number[][] =>
  xs.map((x) => (x ? [...x.dataSync()] : []));
