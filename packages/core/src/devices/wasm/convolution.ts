// Gradients of convolutions on the wasm heap: those of plain ones as matrix products over patches, those of depthwise ones in
// loops. tfjs's wasm backend has none by the filter, and one by the input that is a naive loop.
// B samples, C channels in, F filters, P places, K elements of a patch, M filters a channel (depthwise)
import * as tf from "@tensorflow/tfjs";
import { allocate, floats } from "./heap.ts";
import { addPatches, type ConvolutionAttrs, convolution, eachRun, parts, patches, runsOf } from "./patches.ts";

type Inputs = Record<string, tf.Tensor>;
type Attrs = Record<string, unknown>;

/** The output's gradient of samples `from .. to - 1`, as rows `[(to - from) P, F]`. */
const rowsOf = (dy: tf.Tensor, [from, to]: readonly [number, number]): tf.Tensor =>
  dy.slice([from], [to - from]).reshape([-1, dy.shape.at(-1)!]);

/** x `[B, H, W, C]`, dy `[B, .., F]` -> the gradient by the filter, in `filterShape`: `(sum dy' patches)'`, `'` for transposed. */
export function conv2dFilterGrad({ x, dy }: Inputs, attrs: Attrs): tf.Tensor {
  const shape = attrs.filterShape as number[];
  const at = convolution(x!.shape, shape, attrs as unknown as ConvolutionAttrs, false);
  const runs = runsOf(at);
  const F = shape[3]!;
  return tf.tidy(() => {
    let sum_FK: tf.Tensor = tf.zeros([F, shape[0]! * shape[1]! * shape[2]!]);
    for (const part of parts(at))
      sum_FK = tf.tidy(() => sum_FK.add(tf.matMul(rowsOf(dy!, part), patches(x!, at, runs, part), true)));
    return tf.transpose(sum_FK).reshape(shape);
  });
}

/** Whether dy has the shape of the convolution's output, as tfjs does not ask. */
export function fitsOutput({ dy, filter }: Inputs, attrs: Attrs): boolean {
  if (attrs.dataFormat === "NCHW") return false;
  const at = convolution(attrs.inputShape as number[], filter!.shape, attrs as unknown as ConvolutionAttrs, false);
  return tf.util.arraysEqual(dy!.shape, at.outShape);
}

/** dy `[B, .., F]`, filter `[.., C, F]` -> the gradient by the input, in `inputShape` `[B, H, W, C]`. */
export function conv2dInputGrad({ dy, filter }: Inputs, attrs: Attrs): tf.Tensor {
  const at = convolution(attrs.inputShape as number[], filter!.shape, attrs as unknown as ConvolutionAttrs, false);
  const runs = runsOf(at);
  return tf.tidy(() => {
    const dx = allocate(attrs.inputShape as number[]);
    floats(dx).fill(0);
    const filter_KF = filter!.reshape([-1, filter!.shape[3]!]);
    for (const part of parts(at))
      tf.tidy(() => addPatches(dx, tf.matMul(rowsOf(dy!, part), filter_KF, false, true), at, runs, part));
    return dx;
  });
}

/** x `[B, H, W, C]`, dy `[B, .., C M]` -> the gradient by a depthwise filter, in `filterShape` `[.., C, M]`. */
export function depthwiseFilterGrad({ x, dy }: Inputs, attrs: Attrs): tf.Tensor {
  const shape = attrs.filterShape as number[];
  const at = convolution(x!.shape, shape, attrs as unknown as ConvolutionAttrs, true);
  const [C, M] = shape.slice(2) as [number, number];
  const y = allocate(shape);
  const [slopes, values] = [floats(dy!), floats(x!)];
  const sums = new Float64Array(y.size);
  eachRun(at, M, (start) => {
    for (let k = 0; k < start.length; k += C)
      for (let c = 0; c < C; c++)
        for (let m = 0, i = start.filter + (k + c) * M; m < M; m++)
          sums[i + m] = sums[i + m]! + values[start.image + k + c]! * slopes[start.dy + c * M + m]!;
  });
  floats(y).set(sums);
  return y;
}

/** dy `[B, .., C M]`, a depthwise filter `[.., C, M]` -> the gradient by the input, in `inputShape` `[B, H, W, C]`. */
export function depthwiseInputGrad({ dy, filter }: Inputs, attrs: Attrs): tf.Tensor {
  const at = convolution(attrs.inputShape as number[], filter!.shape, attrs as unknown as ConvolutionAttrs, true);
  const [C, M] = filter!.shape.slice(2) as [number, number];
  const y = allocate(attrs.inputShape as number[]);
  const [dx, slopes, weights] = [floats(y).fill(0), floats(dy!), floats(filter!)];
  eachRun(at, M, (start) => {
    for (let k = 0; k < start.length; k += C) {
      for (let c = 0; c < C; c++) {
        let sum = dx[start.image + k + c]!;
        for (let m = 0, i = start.filter + (k + c) * M; m < M; m++)
          sum += weights[i + m]! * slopes[start.dy + c * M + m]!;
        dx[start.image + k + c] = sum;
      }
    }
  });
  return y;
}

/** `same` padding in numbers: XNNPACK works out its own, and another one where a stride is larger than the filter. */
export function explicitPad(
  image: readonly number[],
  filter: readonly number[],
  attrs: Attrs,
  depthwise = false,
): Attrs {
  if (attrs.pad !== "same" || attrs.dataFormat === "NCHW") return attrs;
  const { strides, dilations = 1 } = attrs as { strides: number; dilations?: number };
  const [of, by] = [image as [number, number, number, number], filter as [number, number, number, number]];
  const { padInfo } = tf.backend_util.computeConv2DInfo(of, by, strides, dilations, "same", undefined, depthwise);
  const { top, bottom, left, right } = padInfo;
  const pad = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return { ...attrs, pad };
}
