// A library for convolutions, for the emulator: a loop over everything, as the textbook has it.
import type { Convolution, ConvolutionShape } from "../../src/driver/gpu.ts";
import { read, write } from "./memory.ts";

type Visit = (x: number, filter: number, y: number) => void;

/** Calls `visit` with the places of every x, filter element and y that belong together: `[B, H, W, C]`, `[F, R, S, C]`, `[B, P, Q, F]`. */
function each({ B, C, F, input, output, filter, pad, strides, dilations }: ConvolutionShape, visit: Visit): void {
  const inside = (axis: 0 | 1, out: number, tap: number): number =>
    out * strides[axis] - pad[axis] + tap * dilations[axis];
  for (let at = 0; at < B * output[0] * output[1]; at++) {
    const [q, p, b] = [at % output[1], Math.floor(at / output[1]) % output[0], Math.floor(at / output[1] / output[0])];
    for (let tap = 0; tap < filter[0] * filter[1]; tap++) {
      const [h, w] = [inside(0, p, Math.floor(tap / filter[1])), inside(1, q, tap % filter[1])];
      if (h < 0 || h >= input[0] || w < 0 || w >= input[1]) continue;
      for (let f = 0; f < F; f++)
        for (let c = 0; c < C; c++)
          visit(((b * input[0] + h) * input[1] + w) * C + c, (f * filter[0] * filter[1] + tap) * C + c, at * F + f);
    }
  }
}

const sizes = ({ B, C, F, input, output, filter }: ConvolutionShape) => ({
  x: B * input[0] * input[1] * C,
  filter: F * filter[0] * filter[1] * C,
  y: B * output[0] * output[1] * F,
});

/** Every convolution, slowly. */
export const naiveConvolution: Convolution = {
  forward(shape, _, at) {
    const n = sizes(shape);
    const [x, filter, y] = [read("f32", at.x, n.x), read("f32", at.filter, n.filter), new Float32Array(n.y)];
    each(shape, (i, k, o) => {
      y[o] = y[o]! + x[i]! * filter[k]!;
    });
    write("f32", at.y, y);
    return true;
  },
  inputGrad(shape, _, at) {
    const n = sizes(shape);
    const [dy, filter, dx] = [read("f32", at.dy, n.y), read("f32", at.filter, n.filter), new Float32Array(n.x)];
    each(shape, (i, k, o) => {
      dx[i] = dx[i]! + dy[o]! * filter[k]!;
    });
    write("f32", at.dx, dx);
    return true;
  },
  filterGrad(shape, _, at) {
    const n = sizes(shape);
    const [x, dy, dfilter] = [read("f32", at.x, n.x), read("f32", at.dy, n.y), new Float32Array(n.filter)];
    each(shape, (i, k, o) => {
      dfilter[k] = dfilter[k]! + x[i]! * dy[o]!;
    });
    write("f32", at.dfilter, dfilter);
    return true;
  },
};
