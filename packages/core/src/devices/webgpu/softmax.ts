// Causal softmax of scores, with the mask in the kernel, and its gradient; cross-entropy and its gradient. One workgroup a row.
// P batch x heads, T time, N rows, V vocabulary
import type { TensorInfo } from "@tensorflow/tfjs";
import type { Scaled } from "../kernels/attention.ts";
import type { Backend } from "./backend.ts";
import { highest, type Program, total } from "./program.ts";
import type { Inputs } from "./stock.ts";

const lanes = 64;
const along = (end: string): string => `for (var j = lane; j < ${end}; j += ${lanes}u)`;

/** Row t sees columns 0 .. t; those past it are 0. */
const causal: Program = {
  name: "causalSoftmax",
  inputs: { score: "f32" },
  outputs: { y: "f32" },
  constants: { rows: "u32", T: "u32", scale: "f32" },
  lanes,
  declare: total(lanes) + highest(lanes),
  body: `
  if (block >= c.rows) { return; }
  let at = block * c.T;
  let end = block % c.T + 1u;
  var top = -1e30;
  ${along("end")} { top = max(top, score[at + j] * c.scale); }
  top = highest(lane, top);
  var sum = 0.0;
  ${along("end")} { sum += exp(score[at + j] * c.scale - top); }
  let share = 1.0 / total(lane, sum);
  ${along("c.T")} { y[at + j] = select(0.0, exp(score[at + j] * c.scale - top) * share, j < end); }`,
};

const causalGrad: Program = {
  name: "causalSoftmaxGrad",
  inputs: { p: "f32", dp: "f32" },
  outputs: { y: "f32" },
  constants: { rows: "u32", T: "u32", scale: "f32" },
  lanes,
  declare: total(lanes),
  body: `
  if (block >= c.rows) { return; }
  let at = block * c.T;
  let end = block % c.T + 1u;
  var sum = 0.0;
  ${along("end")} { sum += p[at + j] * dp[at + j]; }
  let mean = total(lane, sum);
  ${along("c.T")} { y[at + j] = select(0.0, p[at + j] * (dp[at + j] - mean) * c.scale, j < end); }`,
};

function overRows(b: Backend, program: Program, inputs: readonly TensorInfo[], { scale }: Scaled): TensorInfo {
  const [P, T] = inputs[0]!.shape as [number, number];
  const y = b.output(inputs[0]!.shape);
  b.launch(program, inputs, [y], { rows: P * T, T, scale }, P * T);
  return y;
}

export const causalSoftmax = (b: Backend, { score }: Inputs, attrs: Scaled): TensorInfo =>
  overRows(b, causal, [score!], attrs);

export const causalSoftmaxGrad = (b: Backend, { p, dp }: Inputs, attrs: Scaled): TensorInfo =>
  overRows(b, causalGrad, [p!, dp!], attrs);

const losses: Program = {
  name: "crossEntropy",
  inputs: { logits: "f32", index: "i32" },
  outputs: { loss: "f32", lse: "f32" },
  constants: { N: "u32", V: "u32" },
  lanes,
  declare: total(lanes) + highest(lanes),
  body: `
  if (block >= c.N) { return; }
  let at = block * c.V;
  var top = -1e30;
  ${along("c.V")} { top = max(top, logits[at + j]); }
  top = highest(lane, top);
  var sum = 0.0;
  ${along("c.V")} { sum += exp(logits[at + j] - top); }
  let whole = top + log(total(lane, sum));
  if (lane == 0u) {
    lse[block] = whole;
    loss[block] = whole - logits[at + u32(index[block])];
  }`,
};

const lossGrad: Program = {
  name: "crossEntropyGrad",
  inputs: { logits: "f32", index: "i32", lse: "f32", dy: "f32" },
  outputs: { dx: "f32" },
  constants: { N: "u32", V: "u32" },
  lanes,
  body: `
  if (block >= c.N) { return; }
  let at = block * c.V;
  ${along("c.V")} { dx[at + j] = dy[0] * (exp(logits[at + j] - lse[block]) - select(0.0, 1.0, j == u32(index[block]))); }`,
};

const whole: Program = {
  name: "wholeSum",
  inputs: { x: "f32" },
  outputs: { y: "f32" },
  constants: { N: "u32" },
  lanes,
  declare: total(lanes),
  body: `
  var sum = 0.0;
  ${along("c.N")} { sum += x[j]; }
  sum = total(lane, sum);
  if (lane == 0u) { y[0] = sum; }`,
};

export function crossEntropy(b: Backend, { logits, target }: Inputs): TensorInfo[] {
  const [N, V] = logits!.shape as [number, number];
  const [each, lse, loss] = [b.output([N]), b.output([N]), b.output([])];
  b.launch(losses, [logits!, target!], [each, lse], { N, V }, N);
  b.launch(whole, [each], [loss], { N }, 1);
  b.disposeData(each.dataId);
  return [loss, lse];
}

export function crossEntropyGrad(b: Backend, { logits, target, lse, dy }: Inputs): TensorInfo {
  const [N, V] = logits!.shape as [number, number];
  const dx = b.output([N, V]);
  b.launch(lossGrad, [logits!, target!, lse!, dy!], [dx], { N, V }, N);
  return dx;
}
