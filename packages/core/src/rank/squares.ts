// Sum of squares of part of a tensor: what a global norm is made of.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { floats, onWasm } from "../devices/wasm/heap.ts";

/** Sum over the elements `from .. to - 1` of `x` read as a vector. On wasm in double precision, where they lie. */
export async function sumOfSquares(x: Tensor, from: number, to: number): Promise<number> {
  return onWasm() ? sumOnHeap(floats(x).subarray(from, to)) : sumByOperations(x, from, to);
}

function sumOnHeap(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

/** In two levels, so that the error in float32 grows with the root of the size. */
export async function sumByOperations(x: Tensor, from: number, to: number): Promise<number> {
  const width = 256;
  const sum = tf.tidy(() => {
    const squares = x
      .flatten()
      .slice(from, to - from)
      .square();
    return squares
      .pad([[0, (width - (squares.size % width)) % width]])
      .reshape([-1, width])
      .sum(1)
      .sum();
  });
  const [value] = await sum.data();
  sum.dispose();
  return value!;
}
