// The end of a residual branch: the stream, plus the branch after its all-reduce, plus the branch's output bias,
// which is added here once instead of by every rank.
// B batch, T time, N = B T, D model width

import { elements, type Segment, segment } from "@orthant/core";
import { addRow, columnSums, differentiable, rows } from "@orthant/core/internal";
import type * as tf from "@tensorflow/tfjs";

function run(bias_D: tf.Tensor, stream_BTD: tf.Tensor, branch_BTD: tf.Tensor): tf.Tensor {
  return differentiable({
    inputs: [bias_D, stream_BTD, branch_BTD],
    forward: () => addRow(stream_BTD.add(branch_BTD), bias_D),
    backward: (dy_BTD) => [columnSums(rows(dy_BTD)), dy_BTD.clone(), dy_BTD.clone()],
  });
}

/** `stream + branch + bias`, both `[B, T, D]`; bias `[D]`. Keeps nothing. */
export const residual: Segment<"I", "I"> = segment({
  name: "residual",
  params: ["bias"],
  reads: [false, false, false],
  run: ([bias], stream, branch) => run(bias!, stream!, branch!),
  shape: (_, x = []) => ({ shape: x, flops: 2 * elements(x), kept: 0 }),
});
