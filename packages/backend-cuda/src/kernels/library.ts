// What a library for convolutions is asked for, where there is one.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import type { Convolution, ConvolutionShape } from "../driver/gpu.ts";
import type { Geometry } from "./images/geometry.ts";
import { transpose } from "./moves.ts";

/** Elements of a patch. */
export const patchSize = (at: Geometry): number => at.filterHeight * at.filterWidth * at.inChannels;

/** The library, where tensors are float32 and padding is the same on both sides. */
export function library(
  b: CudaBackend,
  at: Geometry,
  xs: readonly TensorInfo[],
): { by: Convolution; shape: ConvolutionShape } | undefined {
  const { top, bottom, left, right } = at.padInfo;
  const by = b.gpu.convolution;
  const floats = b.precision !== "bf16" && xs.every((x) => b.entry(x.dataId).stored === "f32");
  if (!by || !floats || top !== bottom || left !== right) return undefined;
  const shape: ConvolutionShape = {
    B: at.batchSize,
    C: at.inChannels,
    F: at.outChannels,
    input: [at.inHeight, at.inWidth],
    output: [at.outHeight, at.outWidth],
    filter: [at.filterHeight, at.filterWidth],
    pad: [top, left],
    strides: [at.strideHeight, at.strideWidth],
    dilations: [at.dilationHeight, at.dilationWidth],
  };
  const fits = ([size, window, pad, stride, dilation]: readonly number[]): number =>
    1 + Math.floor((size! + 2 * pad! - (window! - 1) * dilation! - 1) / stride!);
  const sides = [0, 1].map((i) =>
    fits([shape.input[i]!, shape.filter[i]!, shape.pad[i]!, shape.strides[i]!, shape.dilations[i]!]),
  );
  return sides[0] === at.outHeight && sides[1] === at.outWidth ? { by, shape } : undefined;
}

/** Filters `[R, S, C, F]` as the library has them, `[F, R, S, C]`: new. */
export const filtersFirst = (b: CudaBackend, filter: TensorInfo, at: Geometry): TensorInfo =>
  transpose(b, { ...filter, shape: [patchSize(at), at.outChannels] }, [1, 0]);
/** The way back. */
export const filtersLast = (b: CudaBackend, filter: TensorInfo, at: Geometry): TensorInfo =>
  transpose(b, { ...filter, shape: [at.outChannels, patchSize(at)] }, [1, 0]);
