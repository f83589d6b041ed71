// Where windows of convolutions and pooling lie over `[B, H, W, C]`.
import { backend_util, util } from "@tensorflow/tfjs";
import type { Attributes } from "../table.ts";

/** A shape of four dims. */
export type Shape4 = [number, number, number, number];
/** What tfjs works out of a convolution or pooling, as far as kernels need it. */
export type Geometry = Pick<
  backend_util.Conv2DInfo,
  | "batchSize"
  | "inHeight"
  | "inWidth"
  | "inChannels"
  | "outHeight"
  | "outWidth"
  | "outChannels"
  | "filterHeight"
  | "filterWidth"
  | "strideHeight"
  | "strideWidth"
  | "dilationHeight"
  | "dilationWidth"
  | "padInfo"
  | "outShape"
>;

/** A window as kernels take it. */
export const windowOf = (at: Geometry): number[] => [
  at.inHeight,
  at.inWidth,
  at.inChannels,
  at.outHeight,
  at.outWidth,
  at.filterHeight,
  at.filterWidth,
  at.strideHeight,
  at.strideWidth,
  at.dilationHeight,
  at.dilationWidth,
  at.padInfo.top,
  at.padInfo.left,
];

/** tfjs's attributes of both. */
export interface ConvolutionAttrs {
  readonly strides: number | [number, number];
  readonly pad: "valid" | "same" | number;
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
  readonly dataFormat?: "NHWC" | "NCHW";
}

/** The geometry of a convolution. Throws for channels before rows. */
export function geometry(
  x: readonly number[],
  filter: readonly number[],
  attrs: Attributes,
  depthwise = false,
): Geometry {
  const { strides, pad, dilations = 1, dimRoundingMode, dataFormat } = attrs as unknown as ConvolutionAttrs;
  util.assert(dataFormat !== "NCHW", () => "device cuda convolves NHWC only: transpose to it first");
  const [from, to] = [x as Shape4, filter as Shape4];
  return backend_util.computeConv2DInfo(from, to, strides, dilations, pad, dimRoundingMode, depthwise);
}

/** The geometry of pooling. */
export function pooling(x: readonly number[], attrs: Attributes): Geometry {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as ConvolutionAttrs & { filterSize: number };
  return backend_util.computePool2DInfo(x as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
}
