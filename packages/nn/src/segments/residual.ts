// The end of a residual branch: the stream, plus the branch after its all-reduce, plus the branch's output bias,
// which is added here once instead of by every rank.
// B batch, T time, N = B T, D model width

import { differentiable, type Everywhere, elements, kernels, type Segment, segment, view } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { addBranch, columnSums } = kernels;

function run(bias_D: tf.Tensor, stream_BTD: tf.Tensor, branch_BTD: tf.Tensor): tf.Tensor {
  return differentiable({
    inputs: [bias_D, stream_BTD, branch_BTD],
    forward: () => addBranch({ stream: stream_BTD, branch: branch_BTD, row: bias_D }),
    backward: (dy_BTD) => [() => columnSums({ x: rows(dy_BTD) }), () => view(dy_BTD), () => view(dy_BTD)],
  });
}

/** `stream + branch + bias`, both `[B, T, D]`; bias `[D]`. Keeps nothing. */
export const residual: Segment<Everywhere, Everywhere> = segment({
  name: "residual",
  params: ["bias"],
  reads: [false, false, false],
  run: ([bias], stream, branch) => run(bias!, stream!, branch!),
  shape: (_, x = []) => ({ shape: x, flops: 2 * elements(x), kept: 0 }),
});
