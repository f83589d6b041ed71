// What formulas are made of: a few operations of TensorFlow with the attributes that they always have here. What is done to each element
// runs as one compiled pass (`Graph.each`); sums, products and softmax are TensorFlow's own operations.
import type { Graph, Output } from "../graph.ts";

/** A kernel as part of a graph: what goes in, and what comes out. */
export interface Formula {
  readonly inputs: readonly Output[];
  readonly outputs: readonly Output[];
}

export const inputs = (g: Graph, count: number): Output[] => Array.from({ length: count }, () => g.input());

export const float = (g: Graph, value: number): Output => g.constant(Float32Array.of(value));
export const int = (g: Graph, value: number): Output => g.constant(Int32Array.of(value));
export const ints = (g: Graph, ...values: readonly number[]): Output =>
  g.constant(Int32Array.from(values), [values.length]);

/** Products of matrices, or of as many as outer dims say, either side transposed: for those faster than TensorFlow's MatMul. */
export const multiply = (g: Graph, a: Output, b: Output, adj_x = false, adj_y = false): Output =>
  g.op("BatchMatMulV2", [a, b], { adj_x, adj_y });

const product = (g: Graph, a: Output, b: Output, compiled = false): Output =>
  g.op("MatMul", [a, b], { transpose_a: false, transpose_b: false, ...(compiled && { _XlaCompile: true }) });

/** `x w + bias`. Not by MatMul, which TensorFlow fuses with what adds the bias: that operation of its dies where there is no memory. */
export const affine = (g: Graph, x: Output, w: Output, bias: Output): Output =>
  g.op("BiasAdd", [multiply(g, x, w), bias]);

/** A number for each row, `[.., 1]`; `compiled` with what is done to its elements, which is faster where little else is. */
export const alongRows = (g: Graph, op: "Max" | "Sum", x: Output, compiled = false): Output =>
  g.op(op, [x, ints(g, -1)], { Tidx: "int32", keep_dims: true, ...(compiled && { _XlaCompile: true }) });

/** A matrix of one value. */
const filled = (g: Graph, [rows, columns]: readonly (number | Output)[], value: Output): Output =>
  g.op("Fill", [sizes(g, rows!, columns!), value], { index_type: "int32" });

/**
 * Each row of a matrix times a vector `[D, 1]`, and the sum, compiled with what is done to its elements: XLA computes such a product with
 * vectors, and a sum number by number.
 */
export const weightedSum = (g: Graph, x: Output, weights: Output): Output => product(g, x, weights, true);

/** 1 over the width of a matrix. */
export const perColumn = (g: Graph, x: Output): Output =>
  g.op("Reciprocal", [g.op("Cast", [dim(g, x, 1)], { SrcT: "int32", DstT: "float32" })]);

/** The weights `[D, 1]` of a mean over columns. */
export const meanWeights = (g: Graph, x: Output): Output => filled(g, [dim(g, x, 1), 1], perColumn(g, x));

/** As many ones as a matrix has rows, `[1, N]`, by which a product sums columns, or as it has columns, `[D, 1]`. */
export const onesFor = (g: Graph, x: Output, along: 0 | 1): Output =>
  filled(g, along ? [dim(g, x, 1), 1] : [1, dim(g, x, 0)], float(g, 1));

/** Sums over rows, `[N, D] -> [D]`: a third to a half of the time of TensorFlow's BiasAddGrad. */
export const columnSum = (g: Graph, x: Output, ones = onesFor(g, x, 0)): Output =>
  g.op("Reshape", [product(g, ones, x), ints(g, -1)], { Tshape: "int32" });

/** Dims in another order, compiled: that is faster than TensorFlow's own operation. */
export const turned = (g: Graph, x: Output, ...order: readonly number[]): Output =>
  g.op("Transpose", [x, ints(g, ...order)], { Tperm: "int32", _XlaCompile: true });

export const joined = (g: Graph, axis: number, ...xs: readonly Output[]): Output =>
  g.op("ConcatV2", [...xs, int(g, axis)], { N: xs.length, Tidx: "int32" });

/** An element of a shape. */
export const dim = (g: Graph, x: Output, i: number): Output => {
  const shape = g.op("Shape", [x], { out_type: "int32" });
  return g.op("GatherV2", [shape, int(g, i), int(g, 0)], { Tparams: "int32", Tindices: "int32", Taxis: "int32" });
};

/** A shape of whole numbers, some of them outputs. */
function sizes(g: Graph, ...each: readonly (number | Output)[]): Output {
  const all = each.map((size) => (typeof size === "number" ? int(g, size) : size));
  return g.op("Pack", all, { T: "int32", N: all.length, axis: 0 });
}

export const reshaped = (g: Graph, x: Output, ...each: readonly (number | Output)[]): Output =>
  g.op("Reshape", [x, sizes(g, ...each)], { Tshape: "int32" });

/** `x` in the shape of another tensor. */
export const shapedAs = (g: Graph, x: Output, other: Output): Output =>
  g.op("Reshape", [x, g.op("Shape", [other], { out_type: "int32" })], { Tshape: "int32" });

/** Every dim but the last as one. */
export const rows = (g: Graph, x: Output, rank: number): Output => reshaped(g, x, -1, dim(g, x, rank - 1));
