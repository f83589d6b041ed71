// Gelu and the perceptron around it as graphs of TensorFlow.
// N rows, D width, F hidden width
import type { Graph, Output } from "../graph.ts";
import { columnSum, type Formula, float, inputs, multiply } from "./pieces.ts";

const a = 2 * Math.sqrt(2 / Math.PI);
const b = 0.044715 * a;

/** sigmoid(x (a + b x^2)), and the square. */
function gate(g: Graph, x: Output): readonly [s: Output, square: Output] {
  const square = g.each("Mul", x, x);
  const inner = g.each("AddV2", g.each("Mul", square, float(g, b)), float(g, a));
  return [g.each("Sigmoid", g.each("Mul", x, inner)), square];
}

const geluOf = (g: Graph, x: Output): Output => g.each("Mul", x, gate(g, x)[0]);

/** Gelu once more, and the gradient by `x`. */
function geluBack(g: Graph, x: Output, dy: Output): [y: Output, dx: Output] {
  const [s, square] = gate(g, x);
  const y = g.each("Mul", x, s);
  const bend = g.each("AddV2", g.each("Mul", square, float(g, 3 * b)), float(g, a));
  const slope = g.each("AddV2", s, g.each("Mul", g.each("Sub", y, g.each("Mul", y, s)), bend));
  return [y, g.each("Mul", dy, slope)];
}

export function gelu(g: Graph): Formula {
  const x = g.input();
  return { inputs: [x], outputs: [geluOf(g, x)] };
}

export function geluGrad(g: Graph): Formula {
  const [x, dy] = [g.input(), g.input()];
  return { inputs: [x, dy], outputs: geluBack(g, x, dy) };
}

export function geluProductGrad(g: Graph): Formula {
  const [dy, w, kept] = inputs(g, 3) as [Output, Output, Output];
  return { inputs: [dy, w, kept], outputs: geluBack(g, kept, multiply(g, dy, w, false, true)) };
}

export function geluProduct(g: Graph): Formula {
  const [x, w, bias] = inputs(g, 3) as [Output, Output, Output];
  const hidden = g.each("AddV2", multiply(g, x, w), bias);
  return { inputs: [x, w, bias], outputs: [geluOf(g, hidden), hidden] };
}

export function mlp(g: Graph): Formula {
  const [x, up, bias, down] = inputs(g, 4) as [Output, Output, Output, Output];
  const hidden = g.each("AddV2", multiply(g, x, up), bias);
  return { inputs: [x, up, bias, down], outputs: [multiply(g, geluOf(g, hidden), down), hidden] };
}

export function mlpGrad(g: Graph): Formula {
  const [dy, x, up, down, kept] = inputs(g, 5) as [Output, Output, Output, Output, Output];
  const [active, dhidden] = geluBack(g, kept, multiply(g, dy, down, false, true));
  const dx = multiply(g, dhidden, up, false, true);
  const [dup, ddown] = [multiply(g, x, dhidden, true), multiply(g, active, dy, true)];
  return { inputs: [dy, x, up, down, kept], outputs: [dup, columnSum(g, dhidden), ddown, dx] };
}
