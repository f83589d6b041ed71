// What works on rows of matrices, as graphs of TensorFlow: sums, layer norm, cross-entropy.
// N rows, D width, V vocabulary
import { type Graph, type Output, outputOf } from "../graph.ts";
import {
  affine as affineOf,
  alongRows,
  columnSum,
  dim,
  type Formula,
  float,
  inputs,
  int,
  ints,
  joined,
  meanWeights,
  onesFor,
  perColumn,
  weightedSum,
} from "./pieces.ts";

const reshape = (g: Graph, x: Output, ...shape: readonly number[]): Output =>
  g.op("Reshape", [x, ints(g, ...shape)], { Tshape: "int32" });

export function affine(g: Graph): Formula {
  const [x, w, bias] = inputs(g, 3) as [Output, Output, Output];
  return { inputs: [x, w, bias], outputs: [affineOf(g, x, w, bias)] };
}

export function addBranch(g: Graph): Formula {
  const [stream, branch, row] = inputs(g, 3) as [Output, Output, Output];
  return { inputs: [stream, branch, row], outputs: [g.each("AddV2", g.each("AddV2", stream, branch), row)] };
}

export function columnSums(g: Graph): Formula {
  const x = g.input();
  return { inputs: [x], outputs: [columnSum(g, x)] };
}

/** Layer norm with a mean and a bias; what is kept is the mean and 1 / deviation, `[N, 2]`. */
export function layerNorm(g: Graph): Formula {
  const [x, gain, bias, epsilon] = inputs(g, 4) as [Output, Output, Output, Output];
  const weights = meanWeights(g, x);
  const mean = weightedSum(g, x, weights);
  const off = g.each("Sub", x, mean);
  const variance = weightedSum(g, g.each("Mul", off, off), weights);
  const scale = g.each("Rsqrt", g.each("AddV2", variance, epsilon));
  const y = g.each("AddV2", g.each("Mul", g.each("Mul", off, scale), gain), bias);
  return { inputs: [x, gain, bias, epsilon], outputs: [y, joined(g, 1, mean, scale)] };
}

/** Means along rows of `dy gain` and of `dy gain h` are products with the gain over D. */
export function layerNormGrad(g: Graph): Formula {
  const [dy, x, stat, gain] = inputs(g, 4) as [Output, Output, Output, Output];
  const mean = g.op("Split", [int(g, 1), stat], { num_split: 2 });
  const scale = outputOf(mean, 1);
  const h = g.each("Mul", g.each("Sub", x, mean), scale);
  const dyh = g.each("Mul", dy, h);
  const weights = reshape(g, g.op("Mul", [gain, perColumn(g, x)]), -1, 1);
  const [along, level] = [weightedSum(g, dyh, weights), weightedSum(g, dy, weights)];
  const slope = g.each("Sub", g.each("Mul", dy, gain), g.each("Mul", h, along));
  const dx = g.each("Mul", g.each("Sub", slope, level), scale);
  const ones = onesFor(g, x, 0);
  return { inputs: [dy, x, stat, gain], outputs: [dx, columnSum(g, dyh, ones), columnSum(g, dy, ones)] };
}

/** `[N, V]`: whether a column is the row's target. */
function isTarget(g: Graph, logits: Output, target: Output): Output {
  const columns = g.op("Range", [int(g, 0), dim(g, logits, 1), int(g, 1)], { Tidx: "int32" });
  const down = g.op("Reshape", [target, ints(g, -1, 1)], { T: "int32", Tshape: "int32" });
  return g.op("Equal", [columns, down], { T: "int32", _XlaCompile: true });
}

/** Sum over rows of `-log p(target)`, and each row's log-sum-exp, which is kept. */
export function crossEntropy(g: Graph): Formula {
  const [logits, target] = [g.input(), g.input("int32")];
  const most = alongRows(g, "Max", logits, true);
  const sum = alongRows(g, "Sum", g.each("Exp", g.each("Sub", logits, most)), true);
  const lse = g.each("AddV2", g.each("Log", sum), most);
  const picked = alongRows(g, "Sum", g.each("SelectV2", isTarget(g, logits, target), logits, float(g, 0)), true);
  const losses = reshape(g, g.each("Sub", lse, picked), -1);
  const loss = g.op("Sum", [losses, ints(g, 0)], { Tidx: "int32", keep_dims: false });
  return { inputs: [logits, target], outputs: [loss, reshape(g, lse, -1)] };
}

export function crossEntropyGrad(g: Graph): Formula {
  const [logits, target, lse, dy] = [g.input(), g.input("int32"), g.input(), g.input()];
  const p = g.each("Exp", g.each("Sub", logits, reshape(g, lse, -1, 1)));
  const hot = g.each("SelectV2", isTarget(g, logits, target), float(g, 1), float(g, 0));
  return { inputs: [logits, target, lse, dy], outputs: [g.each("Mul", g.each("Sub", p, hot), dy)] };
}
