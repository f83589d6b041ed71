// The gradient of a convolution of volumes by its input, as those of planes, one a layer of the filter: tfjs's wasm kernel adds to
// memory that it did not clear.
// B samples, D depth of the input, O depth of the output, H W plane, C channels, F filters
import * as tf from "@tensorflow/tfjs";
import { conv2dInputGrad } from "./convolution.ts";
import { allocate, floats } from "./heap.ts";

type Volume = [number, number, number, number, number];

/** Where a plane of a convolution's output puts its gradient: plane `o` of sample b goes to plane `o stride - front + k`. */
interface Planes {
  readonly size: number;
  readonly D: number;
  readonly O: number;
  readonly stride: number;
  /** k - front. */
  readonly offset: number;
}

function addPlanes(dx: Float32Array, dx_BO: Float32Array, { size, D, O, stride, offset }: Planes): void {
  for (let plane = 0; plane * size < dx_BO.length; plane++) {
    const at = (plane % O) * stride + offset;
    if (at < 0 || at >= D) continue;
    const [from, to] = [plane * size, (Math.floor(plane / O) * D + at) * size];
    for (let i = 0; i < size; i++) dx[to + i] = dx[to + i]! + dx_BO[from + i]!;
  }
}

/** dy `[B, O, .., F]`, filter `[.., C, F]` -> the gradient by the input, in `inputShape` `[B, D, H, W, C]`. */
export function conv3dInputGrad({ dy, filter }: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor {
  const [shape, by] = [attrs.inputShape as Volume, filter!.shape as Volume];
  const at = tf.backend_util.computeConv3DInfo(shape, by, attrs.strides as Volume[0], 1, attrs.pad as "same");
  const { front, top, bottom, left, right } = at.padInfo;
  const [B, D, H, W, C] = shape;
  const rows = dy!.reshape([B * at.outDepth, at.outHeight, at.outWidth, by[4]]);
  const plane = {
    strides: [at.strideHeight, at.strideWidth],
    pad: [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    inputShape: [B * at.outDepth, H, W, C],
  };
  return tf.tidy(() => {
    const dx = allocate(shape);
    floats(dx).fill(0);
    for (let k = 0; k < by[0]; k++)
      tf.tidy(() => {
        const dx_BO = conv2dInputGrad({ dy: rows, filter: filter!.slice([k], [1]).reshape(by.slice(1)) }, plane);
        const planes = { size: H * W * C, D, O: at.outDepth, stride: at.strideDepth, offset: k - front };
        addPlanes(floats(dx), floats(dx_BO), planes);
      });
    return dx;
  });
}
