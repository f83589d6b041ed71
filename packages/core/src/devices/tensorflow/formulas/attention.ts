// Causal attention and its projections as graphs of TensorFlow.
// B batch, T time, N = B T, D model width, H heads, K width of a head, P = B H, C = 3 H K
import { masked } from "../../kernels/attention.ts";
import { type Graph, type Output, outputOf } from "../graph.ts";
import {
  affine,
  columnSum,
  dim,
  type Formula,
  float,
  inputs,
  int,
  ints,
  joined,
  multiply,
  onesFor,
  reshaped,
  rows,
  shapedAs,
  turned,
  weightedSum,
} from "./pieces.ts";

type Three = readonly [q: Output, k: Output, v: Output];

/** Softmax of `scale score`, `[P, T, T]`, where a query sees the keys up to its own. */
function causal(g: Graph, score: Output, scale: Output): Output {
  const T = dim(g, score, 1);
  const places = g.op("Range", [int(g, 0), T, int(g, 1)], { Tidx: "int32" });
  const down = g.op("Reshape", [places, ints(g, -1, 1)], { T: "int32", Tshape: "int32" });
  const sees = g.op("GreaterEqual", [down, places], { T: "int32" });
  return g.op("Softmax", [g.each("SelectV2", sees, g.each("Mul", score, scale), float(g, masked))]);
}

/** Gradient by the scores, `[P, T, T]`, whose rows are taken as those of one matrix. */
function causalBack(g: Graph, probabilities: Output, slope: Output, scale: Output): Output {
  const [p, dp] = [rows(g, probabilities, 3), rows(g, slope, 3)];
  const sum = weightedSum(g, g.each("Mul", p, dp), onesFor(g, p, 1));
  return shapedAs(g, g.each("Mul", g.each("Mul", g.each("Sub", dp, sum), p), scale), slope);
}

function attend(g: Graph, [q, k, v]: Three, scale: Output): readonly [y: Output, p: Output] {
  const p = causal(g, multiply(g, q, k, false, true), scale);
  return [multiply(g, p, v), p];
}

function attendBack(g: Graph, [q, k, v]: Three, dy: Output, p: Output, scale: Output): Output[] {
  const dscore = causalBack(g, p, multiply(g, dy, v, false, true), scale);
  return [multiply(g, dscore, k), multiply(g, dscore, q, true), multiply(g, p, dy, true)];
}

/** Outputs of one operation that has `count`. */
const outputsOf = (first: Output, count: number): Output[] =>
  Array.from({ length: count }, (_, i) => outputOf(first, i));

/** qkv `[B, T, 3, H, K]` as three of `[B H, T, K]`: TensorFlow multiplies matrices slower in two outer dims. */
function apart(g: Graph, qkv: Output): Three {
  const all = reshaped(g, turned(g, qkv, 2, 0, 3, 1, 4), 3, -1, dim(g, qkv, 1), dim(g, qkv, 4));
  return outputsOf(g.op("Unpack", [all], { num: 3, axis: 0 }), 3) as unknown as Three;
}

/** `[B, T, H, K]` as `[B H, T, K]`. */
const toHeads = (g: Graph, x: Output): Output => reshaped(g, turned(g, x, 0, 2, 1, 3), -1, dim(g, x, 1), dim(g, x, 3));

/** Attention of qkv `[B, T, 3, H, K]`: `[B, T, H, K]`, and the probabilities. */
function packed(g: Graph, qkv: Output, scale: Output): readonly [mixed: Output, p: Output] {
  const [y, p] = attend(g, apart(g, qkv), scale);
  const heads = reshaped(g, y, -1, dim(g, qkv, 3), dim(g, qkv, 1), dim(g, qkv, 4));
  return [turned(g, heads, 0, 2, 1, 3), p];
}

function packedBack(g: Graph, dy: Output, qkv: Output, p: Output, scale: Output): Output {
  const gradients = attendBack(g, apart(g, qkv), toHeads(g, dy), p, scale);
  const all = g.op("Pack", gradients, { N: 3, axis: 0 });
  return turned(g, reshaped(g, all, 3, -1, dim(g, qkv, 3), dim(g, qkv, 1), dim(g, qkv, 4)), 1, 3, 0, 2, 4);
}

export function packedAttention(g: Graph): Formula {
  const [qkv, scale] = [g.input(), g.input()];
  return { inputs: [qkv, scale], outputs: packed(g, qkv, scale) };
}

export function packedAttentionGrad(g: Graph): Formula {
  const [dy, qkv, kept, scale] = inputs(g, 4) as [Output, Output, Output, Output];
  return { inputs: [dy, qkv, kept, scale], outputs: [packedBack(g, dy, qkv, kept, scale)] };
}

export function attention(g: Graph): Formula {
  const [q, k, v, scale] = inputs(g, 4) as [Output, Output, Output, Output];
  return { inputs: [q, k, v, scale], outputs: attend(g, [q, k, v], scale) };
}

export function attentionGrad(g: Graph): Formula {
  const [dy, q, k, v, kept, scale] = inputs(g, 6) as [Output, Output, Output, Output, Output, Output];
  return { inputs: [dy, q, k, v, kept, scale], outputs: attendBack(g, [q, k, v], dy, kept, scale) };
}

/** Weights `[D, H, K]` side by side, `[D, C]`. */
const joinedWeights = (g: Graph, weights: readonly Output[]): Output =>
  joined(g, 1, ...weights.map((w) => reshaped(g, w, dim(g, w, 0), -1)));

/** Three tensors that lie side by side along an axis, each in the shape of `like`. */
const parted = (g: Graph, x: Output, axis: number, like: readonly Output[]): Output[] =>
  outputsOf(g.op("Split", [int(g, axis), x], { num_split: 3 }), 3).map((part, i) => shapedAs(g, part, like[i]!));

/** Inputs x, three weights, out, and `biases` of 3 or 0. */
function selfAttentionWith(g: Graph, count: 0 | 3): Formula {
  const [x, query, key, value, out] = inputs(g, 5) as [Output, Output, Output, Output, Output];
  const biases = inputs(g, count);
  const scale = g.input();
  const [input, weights] = [rows(g, x, 3), joinedWeights(g, [query, key, value])];
  const bias = () => joined(g, 0, ...biases.map((each) => reshaped(g, each, -1)));
  const heads = count ? affine(g, input, weights, bias()) : multiply(g, input, weights);
  const qkv = reshaped(g, heads, -1, dim(g, x, 1), 3, dim(g, query, 1), dim(g, query, 2));
  const [mixed, p] = packed(g, qkv, scale);
  const outer = rows(g, out, 3);
  const y = multiply(g, reshaped(g, mixed, -1, dim(g, outer, 0)), outer);
  const given = [x, query, key, value, out, ...biases, scale];
  return { inputs: given, outputs: [shapedAs(g, y, x), qkv, p, mixed] };
}

function selfAttentionGradWith(g: Graph, count: 0 | 3): Formula {
  const [dy, x, query, key, value, out] = inputs(g, 6) as [Output, Output, Output, Output, Output, Output];
  const [qkv, p, mixed, scale] = inputs(g, 4) as [Output, Output, Output, Output];
  const [slope, outer, weights] = [rows(g, dy, 3), rows(g, out, 3), [query, key, value]];
  const dmixed = shapedAs(g, multiply(g, slope, outer, false, true), mixed);
  const back = packedBack(g, dmixed, qkv, p, scale);
  const dheads = reshaped(g, back, dim(g, slope, 0), -1);
  const dweights = parted(g, multiply(g, rows(g, x, 3), dheads, true), 1, weights);
  const dout = multiply(g, reshaped(g, mixed, dim(g, slope, 0), -1), slope, true);
  const dx = multiply(g, dheads, joinedWeights(g, weights), false, true);
  const sums = () => outputsOf(g.op("Split", [int(g, 0), columnSum(g, dheads)], { num_split: 3 }), 3);
  const dbiases = count ? sums().map((each) => reshaped(g, each, dim(g, query, 1), dim(g, query, 2))) : [];
  const given = [dy, x, ...weights, out, qkv, p, mixed, scale];
  return { inputs: given, outputs: [...dweights, shapedAs(g, dout, out), ...dbiases, shapedAs(g, dx, x)] };
}

export const selfAttention = (g: Graph): Formula => selfAttentionWith(g, 3);
export const selfAttentionWithoutBias = (g: Graph): Formula => selfAttentionWith(g, 0);
export const selfAttentionGrad = (g: Graph): Formula => selfAttentionGradWith(g, 3);
export const selfAttentionGradWithoutBias = (g: Graph): Formula => selfAttentionGradWith(g, 0);
