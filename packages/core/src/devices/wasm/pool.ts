// Maxima over windows of volumes, and the gradients of those over volumes and planes, on the wasm heap: tfjs's wasm kernels add to
// memory that they did not clear.
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

type Volume = ReturnType<typeof tf.backend_util.computePool3DInfo>;

/** Places of a window along one dim that lie inside the input: the first, and the one after the last. */
const inside = (out: number, stride: number, before: number, filter: number, size: number): [number, number] => [
  Math.max(0, out * stride - before),
  Math.min(size, out * stride - before + filter),
];

/** The place of the first largest element of one window, in channel `c` of sample `b`. */
function largestIn(
  x: Float32Array,
  at: Volume,
  b: number,
  [d, h, w]: readonly [number, number, number],
  c: number,
): number {
  const { inDepth: D, inHeight: H, inWidth: W, inChannels: C, padInfo } = at;
  const [d0, d1] = inside(d, at.strideDepth, padInfo.front, at.effectiveFilterDepth, D);
  const [h0, h1] = inside(h, at.strideHeight, padInfo.top, at.effectiveFilterHeight, H);
  const [w0, w1] = inside(w, at.strideWidth, padInfo.left, at.effectiveFilterWidth, W);
  let largest = -1;
  for (let i = d0; i < d1; i++)
    for (let j = h0; j < h1; j++)
      for (let k = w0; k < w1; k++) {
        const place = (((b * D + i) * H + j) * W + k) * C + c;
        if (largest < 0 || x[place]! > x[largest]!) largest = place;
      }
  return largest;
}

/** The window of every element of the output, as the place of its first largest element; -1 where it holds none. */
function largestOfVolumes(x: Float32Array, at: Volume): Int32Array {
  const { batchSize, outDepth, outHeight, outWidth, inChannels: C } = at;
  return Int32Array.from({ length: batchSize * outDepth * outHeight * outWidth * C }, (_, out) => {
    const row = Math.floor(out / C);
    const plane = Math.floor(row / outWidth);
    const volume = Math.floor(plane / outHeight);
    const window = [volume % outDepth, plane % outHeight, row % outWidth] as const;
    return largestIn(x, at, Math.floor(volume / outDepth), window, out % C);
  });
}

const volumeOf = (x: tf.Tensor, attrs: Record<string, unknown>): Volume => {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as Readonly<Record<PoolAttr, never>>;
  const shape = x.shape as [number, number, number, number, number];
  return tf.backend_util.computePool3DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
};

/** x `[B, D, H, W, C]` -> the maximum of every window. tfjs's wasm kernel takes 0 for the maximum of negative numbers. */
export function maxPool3d({ x }: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor {
  const at = volumeOf(x!, attrs);
  const y = allocate(at.outShape);
  const [to, from] = [floats(y), floats(x!)];
  for (const [out, place] of largestOfVolumes(from, at).entries())
    to[out] = place < 0 ? Number.NEGATIVE_INFINITY : from[place]!;
  return y;
}

/** dy `[B, .., C]`, input `[B, D, H, W, C]` -> the gradient by the input, as `maxPoolGrad` of planes. */
export function maxPool3dGrad({ dy, input }: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor {
  const y = allocate(input!.shape);
  const [dx, x, slopes] = [floats(y).fill(0), floats(input!), floats(dy!)];
  for (const [out, place] of largestOfVolumes(x, volumeOf(input!, attrs)).entries())
    if (place >= 0) dx[place] = dx[place]! + slopes[out]!;
  return y;
}
