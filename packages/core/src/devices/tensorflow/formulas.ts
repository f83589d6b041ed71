// Kernels by name as graphs of TensorFlow. What is done to each element runs as one compiled pass; sums, products and softmax are
// TensorFlow's own operations.
// N rows, D width, F hidden width, V vocabulary; B batch, T time, H heads, K width of a head
import { masked } from "../kernels/attention.ts";
import { type Graph, type Output, outputOf } from "./graph.ts";

/** A kernel as part of a graph: what goes in, and what comes out. */
export interface Formula {
  readonly inputs: readonly Output[];
  readonly outputs: readonly Output[];
}

type Three = readonly [q: Output, k: Output, v: Output];

const float = (g: Graph, value: number): Output => g.constant(Float32Array.of(value));
const ints = (g: Graph, ...values: readonly number[]): Output => g.constant(Int32Array.from(values), [values.length]);
const int = (g: Graph, value: number): Output => g.constant(Int32Array.of(value));

const multiply = (g: Graph, a: Output, b: Output, adj_x = false, adj_y = false): Output =>
  g.op("BatchMatMulV2", [a, b], { adj_x, adj_y });

const matrices = (g: Graph, a: Output, b: Output, transpose_b = false): Output =>
  g.op("MatMul", [a, b], { transpose_a: false, transpose_b });

/** A number for each row, `[.., 1]`; `compiled` with what is done to its elements, which is faster where little else is. */
const alongRows = (g: Graph, op: "Sum" | "Mean", x: Output, compiled = false): Output =>
  g.op(op, [x, ints(g, -1)], { Tidx: "int32", keep_dims: true, ...(compiled && { _XlaCompile: true }) });

const columnSum = (g: Graph, x: Output): Output => g.op("BiasAddGrad", [x]);

const turned = (g: Graph, x: Output, ...order: readonly number[]): Output =>
  g.op("Transpose", [x, ints(g, ...order)], { Tperm: "int32" });

/** An element of a shape. */
const dim = (g: Graph, x: Output, i: number): Output => {
  const shape = g.op("Shape", [x], { out_type: "int32" });
  return g.op("GatherV2", [shape, int(g, i), int(g, 0)], { Tparams: "int32", Tindices: "int32", Taxis: "int32" });
};

const a = 2 * Math.sqrt(2 / Math.PI);
const b = 0.044715 * a;

/** sigmoid(x (a + b x^2)), and the square. */
function gate(g: Graph, x: Output): readonly [s: Output, square: Output] {
  const square = g.each("Mul", x, x);
  const inner = g.each("AddV2", g.each("Mul", square, float(g, b)), float(g, a));
  return [g.each("Sigmoid", g.each("Mul", x, inner)), square];
}

const geluOf = (g: Graph, x: Output): Output => g.each("Mul", x, gate(g, x)[0]);

function geluBack(g: Graph, x: Output, dy: Output): Output[] {
  const [s, square] = gate(g, x);
  const y = g.each("Mul", x, s);
  const bend = g.each("AddV2", g.each("Mul", square, float(g, 3 * b)), float(g, a));
  const slope = g.each("AddV2", s, g.each("Mul", g.each("Sub", y, g.each("Mul", y, s)), bend));
  return [y, g.each("Mul", dy, slope)];
}

function gelu(g: Graph): Formula {
  const x = g.input();
  return { inputs: [x], outputs: [geluOf(g, x)] };
}

function geluGrad(g: Graph): Formula {
  const [x, dy] = [g.input(), g.input()];
  return { inputs: [x, dy], outputs: geluBack(g, x, dy) };
}

function geluProduct(g: Graph): Formula {
  const [x, w, bias] = [g.input(), g.input(), g.input()];
  const hidden = g.op("BiasAdd", [matrices(g, x, w), bias]);
  return { inputs: [x, w, bias], outputs: [geluOf(g, hidden), hidden] };
}

function geluProductGrad(g: Graph): Formula {
  const [dy, w, kept] = [g.input(), g.input(), g.input()];
  return { inputs: [dy, w, kept], outputs: geluBack(g, kept, matrices(g, dy, w, true)) };
}

function affine(g: Graph): Formula {
  const [x, w, bias] = [g.input(), g.input(), g.input()];
  return { inputs: [x, w, bias], outputs: [g.op("BiasAdd", [matrices(g, x, w), bias])] };
}

function addBranch(g: Graph): Formula {
  const [stream, branch, row] = [g.input(), g.input(), g.input()];
  return { inputs: [stream, branch, row], outputs: [g.each("AddV2", g.each("AddV2", stream, branch), row)] };
}

function columnSums(g: Graph): Formula {
  const x = g.input();
  return { inputs: [x], outputs: [columnSum(g, x)] };
}

/** Layer norm with a mean and a bias; what is kept is the mean and 1 / deviation, `[N, 2]`. */
function layerNorm(g: Graph): Formula {
  const [x, gain, bias, epsilon] = [g.input(), g.input(), g.input(), g.input()];
  const mean = alongRows(g, "Mean", x, true);
  const off = g.each("Sub", x, mean);
  const variance = alongRows(g, "Mean", g.each("Mul", off, off), true);
  const scale = g.each("Rsqrt", g.each("AddV2", variance, epsilon));
  const y = g.each("AddV2", g.each("Mul", g.each("Mul", off, scale), gain), bias);
  const stat = g.op("ConcatV2", [mean, scale, int(g, 1)], { N: 2, Tidx: "int32" });
  return { inputs: [x, gain, bias, epsilon], outputs: [y, stat] };
}

function layerNormGrad(g: Graph): Formula {
  const [dy, x, stat, gain] = [g.input(), g.input(), g.input(), g.input()];
  const mean = g.op("Split", [int(g, 1), stat], { num_split: 2 });
  const scale = outputOf(mean, 1);
  const h = g.each("Mul", g.each("Sub", x, mean), scale);
  const slope = g.each("Mul", dy, gain);
  const along = alongRows(g, "Mean", g.each("Mul", slope, h));
  const level = alongRows(g, "Mean", slope);
  const dx = g.each("Mul", g.each("Sub", g.each("Sub", slope, g.each("Mul", h, along)), level), scale);
  return { inputs: [dy, x, stat, gain], outputs: [dx, columnSum(g, g.each("Mul", dy, h)), columnSum(g, dy)] };
}

/** Softmax of `scale score`, `[P, T, T]`, where a query sees the keys up to its own. */
function causal(g: Graph, score: Output, scale: Output): Output {
  const T = dim(g, score, 1);
  const places = g.op("Range", [int(g, 0), T, int(g, 1)], { Tidx: "int32" });
  const down = g.op("Reshape", [places, ints(g, -1, 1)], { T: "int32", Tshape: "int32" });
  const sees = g.op("GreaterEqual", [down, places], { T: "int32" });
  return g.op("Softmax", [g.each("SelectV2", sees, g.each("Mul", score, scale), float(g, masked))]);
}

const causalBack = (g: Graph, p: Output, dp: Output, scale: Output): Output => {
  const sum = alongRows(g, "Sum", g.each("Mul", p, dp));
  return g.each("Mul", g.each("Mul", g.each("Sub", dp, sum), p), scale);
};

function attend(g: Graph, [q, k, v]: Three, scale: Output): readonly [y: Output, p: Output] {
  const p = causal(g, multiply(g, q, k, false, true), scale);
  return [multiply(g, p, v), p];
}

function attendBack(g: Graph, [q, k, v]: Three, dy: Output, p: Output, scale: Output): Output[] {
  const dscore = causalBack(g, p, multiply(g, dy, v, false, true), scale);
  return [multiply(g, dscore, k), multiply(g, dscore, q, true), multiply(g, p, dy, true)];
}

/** A shape of whole numbers, some of them outputs. */
function sizes(g: Graph, ...each: readonly (number | Output)[]): Output {
  const all = each.map((size) => (typeof size === "number" ? int(g, size) : size));
  return g.op("Pack", all, { T: "int32", N: all.length, axis: 0 });
}

const reshaped = (g: Graph, x: Output, ...each: readonly (number | Output)[]): Output =>
  g.op("Reshape", [x, sizes(g, ...each)], { Tshape: "int32" });

/** qkv `[B, T, 3, H, K]` as three of `[B H, T, K]`: TensorFlow multiplies matrices slower in two outer dims. */
function apart(g: Graph, qkv: Output): Three {
  const all = reshaped(g, turned(g, qkv, 2, 0, 3, 1, 4), 3, -1, dim(g, qkv, 1), dim(g, qkv, 4));
  const first = g.op("Unpack", [all], { num: 3, axis: 0 });
  return [first, outputOf(first, 1), outputOf(first, 2)];
}

/** `[B, T, H, K]` as `[B H, T, K]`. */
const toHeads = (g: Graph, x: Output): Output => reshaped(g, turned(g, x, 0, 2, 1, 3), -1, dim(g, x, 1), dim(g, x, 3));

function packedAttention(g: Graph): Formula {
  const [qkv, scale] = [g.input(), g.input()];
  const [y, p] = attend(g, apart(g, qkv), scale);
  const heads = reshaped(g, y, -1, dim(g, qkv, 3), dim(g, qkv, 1), dim(g, qkv, 4));
  return { inputs: [qkv, scale], outputs: [turned(g, heads, 0, 2, 1, 3), p] };
}

function packedAttentionGrad(g: Graph): Formula {
  const [dy, qkv, kept, scale] = [g.input(), g.input(), g.input(), g.input()];
  const gradients = attendBack(g, apart(g, qkv), toHeads(g, dy), kept, scale);
  const packed = g.op("Pack", gradients, { N: 3, axis: 0 });
  const heads = reshaped(g, packed, 3, -1, dim(g, qkv, 3), dim(g, qkv, 1), dim(g, qkv, 4));
  return { inputs: [dy, qkv, kept, scale], outputs: [turned(g, heads, 1, 3, 0, 2, 4)] };
}

function attention(g: Graph): Formula {
  const [q, k, v, scale] = [g.input(), g.input(), g.input(), g.input()];
  return { inputs: [q, k, v, scale], outputs: attend(g, [q, k, v], scale) };
}

function attentionGrad(g: Graph): Formula {
  const [dy, kept, scale] = [g.input(), g.input(), g.input()];
  const [q, k, v]: Three = [g.input(), g.input(), g.input()];
  return { inputs: [dy, q, k, v, kept, scale], outputs: attendBack(g, [q, k, v], dy, kept, scale) };
}

export const formulas = {
  addBranch,
  affine,
  attention,
  attentionGrad,
  columnSums,
  gelu,
  geluGrad,
  geluProduct,
  geluProductGrad,
  layerNorm,
  layerNormGrad,
  packedAttention,
  packedAttentionGrad,
} as const;
