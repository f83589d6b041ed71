// Sums of squares of parts of tensors: what a global norm is made of.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Elements `from .. to - 1` of a tensor read as a vector. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const width = 256;

/**
 * Partial sums of the squares of a range of `x`, `[any]`: their sum in double precision is the answer, so that a device may
 * be as exact as it can. Here one number, summed in two levels: its error in float32 grows with the root of the size.
 */
export const sumOfSquares: Kernel<{ x: Tensor }, Tensor, Range> = kernel(
  "orthant.sumOfSquares",
  ({ x }, { from, to }) => {
    const squares = x
      .flatten()
      .slice(from, to - from)
      .square();
    return squares
      .pad([[0, (width - (squares.size % width)) % width]])
      .reshape([-1, width])
      .sum(1)
      .sum()
      .reshape([1]);
  },
);

/** A range of each of many tensors. */
export interface Ranges {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** `sumOfSquares` of a range of each of many tensors at once, one sum each: `[number of tensors]`. */
export const sumsOfSquares: Kernel<readonly Tensor[], Tensor, Ranges> = kernel(
  "orthant.sumsOfSquares",
  (xs, { from, to }) => tf.stack(xs.map((x, i) => sumOfSquares({ x }, { from: from[i]!, to: to[i]! }).sum())),
);
