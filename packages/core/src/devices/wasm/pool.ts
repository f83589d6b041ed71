// The gradient of a maximum over windows, on the wasm heap: tfjs's wasm kernel adds to memory that it did not clear.
import * as tf from "@tensorflow/tfjs";
import { allocate, floats } from "./heap.ts";
import { eachRun } from "./patches.ts";

type PoolAttr = "filterSize" | "strides" | "pad" | "dimRoundingMode";

/** dy `[B, .., C]`, input `[B, H, W, C]` -> the gradient by the input: each dy goes to the first largest element of its window. */
export function maxPoolGrad({ dy, input }: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as Readonly<Record<PoolAttr, never>>;
  const shape = input!.shape as [number, number, number, number];
  const at = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const y = allocate(shape);
  const [dx, x, slopes] = [floats(y).fill(0), floats(input!), floats(dy!)];
  const largest = new Int32Array(slopes.length).fill(-1);
  const C = shape[3];
  eachRun(at, 1, ({ image, dy, length }) => {
    for (let k = 0; k < length; k++) {
      const out = dy + (k % C);
      if (largest[out]! < 0 || x[image + k]! > x[largest[out]!]!) largest[out] = image + k;
    }
  });
  for (const [out, place] of largest.entries()) if (place >= 0) dx[place] = dx[place]! + slopes[out]!;
  return y;
}
