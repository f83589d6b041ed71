// Where the patches of a convolution lie in its images, and the matrix of them (im2col: Chellapilla et al.: High performance
// convolutional neural networks for document processing, 2006) and its transpose, on the wasm heap. No products here.
// B samples, H W image, C channels, P places of the filter in one image, K elements of a patch: filter height x width x C
import * as tf from "@tensorflow/tfjs";
import { allocate, floats } from "./heap.ts";

/** What tells where a filter is put on images `[B, H, W, C]`. */
export type Convolution = tf.backend_util.Conv2DInfo;

type Pair = [number, number];

/** What tfjs hands to the kernels of convolutions, under `padding` and the rounding that kernels are given. */
export interface ConvolutionAttrs {
  readonly strides: number | Pair;
  readonly pad: "valid" | "same" | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
  readonly dataFormat?: "NHWC" | "NCHW";
}

/** Works out a convolution; `depthwise` has a filter `[.., C, M]`. Refuses channels that come first, as the forward does. */
export function convolution(
  image: readonly number[],
  filter: readonly number[],
  { strides, pad, dimRoundingMode, dataFormat = "NHWC" }: ConvolutionAttrs,
  depthwise: boolean,
): Convolution {
  if (dataFormat !== "NHWC")
    throw new Error(`a convolution of ${dataFormat} images on wasm: transpose them to NHWC, channels last`);
  const [of, by] = [image as [number, number, number, number], filter as [number, number, number, number]];
  return tf.backend_util.computeConv2DInfo(of, by, strides, 1, pad, dimRoundingMode, depthwise);
}

/**
 * The parts of patches that lie inside an image, of one sample: triples of a place in the image, the place in its patches
 * `[P, K]`, and the number of neighbours that are the same in both. What is in no run is padding.
 */
export function runsOf(at: Convolution): Int32Array {
  const { inHeight: H, inWidth: W, inChannels: C, filterHeight, filterWidth, padInfo } = at;
  const runs: number[] = [];
  for (let place = 0; place < at.outHeight * at.outWidth; place++) {
    const top = Math.floor(place / at.outWidth) * at.strideHeight - padInfo.top;
    const left = (place % at.outWidth) * at.strideWidth - padInfo.left;
    const [from, to] = [Math.max(0, -left), Math.min(filterWidth, W - left)];
    if (to <= from) continue;
    for (let k = Math.max(0, -top); k < Math.min(filterHeight, H - top); k++)
      runs.push(
        ((top + k) * W + left + from) * C,
        ((place * filterHeight + k) * filterWidth + from) * C,
        (to - from) * C,
      );
  }
  return Int32Array.from(runs);
}

/** Where one run begins, in memory: in the images, in the output's gradient `[B, P, C M]`, and in the filter `[K, M]`. */
export interface Start {
  readonly image: number;
  readonly dy: number;
  readonly filter: number;
  readonly length: number;
}

/** Visits every run of every sample, in order; M filters a channel. */
export function eachRun(at: Convolution, M: number, visit: (start: Start) => void): void {
  const runs = runsOf(at);
  const { inHeight, inWidth, inChannels: C, outHeight, outWidth, filterHeight, filterWidth } = at;
  const K = filterHeight * filterWidth * C;
  for (let n = 0; n < at.batchSize; n++) {
    for (let r = 0; r < runs.length; r += 3) {
      const within = runs[r + 1]! % K;
      const place = (runs[r + 1]! - within) / K;
      const image = n * inHeight * inWidth * C + runs[r]!;
      visit({ image, dy: (n * outHeight * outWidth + place) * C * M, filter: within * M, length: runs[r + 2]! });
    }
  }
}

/** Elements of the patches of one sample. */
export const patchSize = (at: Convolution): number =>
  at.outHeight * at.outWidth * at.filterHeight * at.filterWidth * at.inChannels;

/** Elements of the patches held at once, 4 MiB: neither a second copy of the batch many times over, nor out of the cache. */
const held = 2 ** 20;

/** Ranges of samples whose patches are held at once. */
export function* parts(at: Convolution): Generator<readonly [from: number, to: number]> {
  const count = Math.max(1, Math.floor(held / Math.max(1, patchSize(at))));
  for (let from = 0; from < at.batchSize; from += count) yield [from, Math.min(at.batchSize, from + count)];
}

/** Patches of samples `from .. to - 1` of x `[B, H, W, C]`, as rows `[(to - from) P, K]`. */
export function patches(x: tf.Tensor, at: Convolution, runs: Int32Array, [from, to]: readonly [number, number]) {
  const [size, image] = [patchSize(at), x.size / at.batchSize];
  const K = at.filterHeight * at.filterWidth * at.inChannels;
  const y = allocate([((to - from) * size) / K, K]);
  const [into, of] = [floats(y).fill(0), floats(x)];
  for (let n = from; n < to; n++) {
    for (let r = 0; r < runs.length; r += 3) {
      const [a, b] = [n * image + runs[r]!, (n - from) * size + runs[r + 1]!];
      for (let i = 0; i < runs[r + 2]!; i++) into[b + i] = of[a + i]!;
    }
  }
  return y;
}

/** Adds patches back to where they lie in samples `from ..` of x `[B, H, W, C]`: the transpose of `patches`. */
export function addPatches(
  x: tf.Tensor,
  patches: tf.Tensor,
  at: Convolution,
  runs: Int32Array,
  [from, to]: readonly [number, number],
): void {
  const [size, image] = [patchSize(at), x.size / at.batchSize];
  const [into, of] = [floats(x), floats(patches)];
  for (let n = from; n < to; n++) {
    for (let r = 0; r < runs.length; r += 3) {
      const [a, b] = [n * image + runs[r]!, (n - from) * size + runs[r + 1]!];
      for (let i = 0; i < runs[r + 2]!; i++) into[a + i] = into[a + i]! + of[b + i]!;
    }
  }
}
