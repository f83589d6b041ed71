// Layer norm and RMS norm in WGSL, one workgroup a row, and their gradients; sums over rows.
// N rows, D width, S parts that rows are cut into; stat_N2 holds each row's mean and reciprocal deviation
import type { TensorInfo } from "@tensorflow/tfjs";
import type { Norm } from "../kernels/norm.ts";
import type { Backend } from "./backend.ts";
import { type Program, total } from "./program.ts";
import type { Inputs } from "./stock.ts";

const lanes = 64;
const perRow = `for (var d = lane; d < c.D; d += ${lanes}u)`;

const forward = (biased: boolean): Program => ({
  name: `layerNorm ${biased}`,
  inputs: { x: "f32", gain: "f32", ...(biased && { bias: "f32" }) },
  outputs: { y: "f32", stat: "f32" },
  constants: { N: "u32", D: "u32", center: "f32", epsilon: "f32" },
  lanes,
  declare: total(lanes),
  body: `
  if (block >= c.N) { return; }
  let at = block * c.D;
  var sum = 0.0;
  ${perRow} { sum += x[at + d]; }
  let mean = c.center * total(lane, sum) / f32(c.D);
  var squares = 0.0;
  ${perRow} { let h = x[at + d] - mean; squares += h * h; }
  let scale = inverseSqrt(total(lane, squares) / f32(c.D) + c.epsilon);
  ${perRow} { y[at + d] = (x[at + d] - mean) * scale * gain[d]${biased ? " + bias[d]" : ""}; }
  if (lane == 0u) { stat[2u * block] = mean; stat[2u * block + 1u] = scale; }`,
});

export function layerNorm(b: Backend, { x, gain, bias }: Inputs, { center, epsilon }: Norm): TensorInfo[] {
  const [N, D] = x!.shape as [number, number];
  const outputs = [b.output([N, D]), b.output([N, 2])];
  const given = bias ? [x!, gain!, bias] : [x!, gain!];
  b.launch(forward(Boolean(bias)), given, outputs, { N, D, center: Number(center), epsilon }, N);
  return outputs;
}

const inputGrad: Program = {
  name: "layerNormGrad",
  inputs: { dy: "f32", x: "f32", stat: "f32", gain: "f32" },
  outputs: { dx: "f32" },
  constants: { N: "u32", D: "u32", center: "f32" },
  lanes,
  declare: total(lanes),
  body: `
  if (block >= c.N) { return; }
  let at = block * c.D;
  let mean = stat[2u * block];
  let scale = stat[2u * block + 1u];
  var sum = 0.0;
  var along = 0.0;
  ${perRow} {
    let g = dy[at + d] * gain[d];
    sum += g;
    along += g * (x[at + d] - mean) * scale;
  }
  let g0 = c.center * total(lane, sum) / f32(c.D);
  let gh = total(lane, along) / f32(c.D);
  ${perRow} {
    let h = (x[at + d] - mean) * scale;
    dx[at + d] = (dy[at + d] * gain[d] - g0 - h * gh) * scale;
  }`,
};

/** Sums `term` of each column over the rows of a part, `[S, D]`. */
const columns = (name: string, inputs: Program["inputs"], term: string): Program => ({
  name,
  inputs,
  outputs: { y: "f32" },
  constants: { N: "u32", D: "u32", S: "u32" },
  lanes,
  body: `
  let wide = (c.D + ${lanes - 1}u) / ${lanes}u;
  let d = (block % wide) * ${lanes}u + lane;
  let part = block / wide;
  if (part >= c.S || d >= c.D) { return; }
  let rows = (c.N + c.S - 1u) / c.S;
  var sum = 0.0;
  for (var n = part * rows; n < min(c.N, (part + 1u) * rows); n++) { let i = n * c.D + d; sum += ${term}; }
  y[part * c.D + d] = sum;`,
});

const plain = columns("columnSums", { x: "f32" }, "x[i]");
const alongNorm = columns(
  "gainGrad",
  { dy: "f32", x: "f32", stat: "f32" },
  "dy[i] * (x[i] - stat[2u * n]) * stat[2u * n + 1u]",
);

/** Sums over rows in two levels where there are many: parts side by side, then those. */
function sums(b: Backend, program: Program, inputs: readonly TensorInfo[], N: number, D: number): TensorInfo {
  const S = Math.max(1, Math.min(64, Math.floor(N / 32)));
  const wide = Math.ceil(D / lanes);
  const parts = b.output([S, D]);
  b.launch(program, inputs, [parts], { N, D, S }, wide * S);
  if (S === 1) return { ...parts, shape: [D] };
  const y = b.output([D]);
  b.launch(plain, [parts], [y], { N: S, D, S: 1 }, wide);
  b.disposeData(parts.dataId);
  return y;
}

export function columnSums(b: Backend, { x }: Inputs): TensorInfo {
  const [N, D] = x!.shape as [number, number];
  return sums(b, plain, [x!], N, D);
}

export function layerNormGrad(b: Backend, { dy, x, stat, gain }: Inputs, { center }: Norm): TensorInfo[] {
  const [N, D] = x!.shape as [number, number];
  const dx = b.output([N, D]);
  b.launch(inputGrad, [dy!, x!, stat!, gain!], [dx], { N, D, center: Number(center) }, N);
  const dgain = sums(b, alongNorm, [dy!, x!, stat!], N, D);
  return center ? [dx, dgain, sums(b, plain, [dy!], N, D)] : [dx, dgain];
}
