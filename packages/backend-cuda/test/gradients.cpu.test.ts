// The gradients that take the place of tfjs's own give its bits, on any backend.
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { gradients } from "../src/kernels/tfjs/gradients.ts";

const axes: readonly (number | number[] | undefined)[] = [undefined, 0, -1, [0, 2], [1, 2], [0, 1, 2]];

/** Gradients, and gradients of these, of sums and means over each of the axes. */
const slopes = (): number[][] =>
  tf.tidy(() => {
    const x = tf.tensor3d(
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
      [2, 3, 4],
    );
    const all = axes.flatMap((axis) =>
      [tf.sum, tf.mean].flatMap((reduce) => {
        const squares = (x: tf.Tensor) => reduce(x.square().mul(x), axis).square();
        const slope = tf.grad(squares);
        return [slope(x), tf.grad(slope)(x)];
      }),
    );
    return all.map((y) => [...y.dataSync()]);
  });

test("gradients of sums and means are tfjs's own, bit by bit", async () => {
  await tf.setBackend("cpu");
  const own = slopes();
  gradients.forEach(tf.registerGradient);
  expect(slopes()).toEqual(own);
  expect(own.flat().some((n) => n !== 0)).toBe(true);
});
