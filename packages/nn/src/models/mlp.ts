// A residual multilayer perceptron for vectors: a linear layer in, blocks of norm and gelu MLP, a linear layer out.
// The smallest model that every strategy can cut.
import { type Held, type Init, type Layer, type Model, onAxis, type Tape } from "@orthant/core";
import { crossEntropy, layerNorm, linear, mlp as mlpSegment, residual, squaredError } from "../segments/index.ts";

/** Options of `mlp()`. */
export interface MlpOptions {
  readonly inputs: number;
  /** Width of the output: values, or classes. */
  readonly outputs: number;
  /** Residual blocks. */
  readonly layers: number;
  readonly width: number;
  /** Hidden width of a block; 4 x width by default. */
  readonly hidden?: number;
  /** "squares" for targets `[outputs]`, "classes" for a class index. "squares" by default. */
  readonly loss?: "squares" | "classes";
  /** The mesh axis over which hidden units may be cut, in the user's word; "tp" by default. */
  readonly axis?: string;
}

const normal = (std: number): Init => ({ kind: "normal", std });
const constant = (value: number): Init => ({ kind: "constant", value });

const dense = (name: string, from: number, to: number): Layer => ({
  name,
  params: [
    { name: "weight", shape: [from, to], init: normal(1 / Math.sqrt(from)) },
    { name: "bias", shape: [to], init: constant(0) },
  ],
  forward: (tape, x) => tape.local(linear, name, x),
});

const block = (name: string, width: number, hidden: number, tp: "tp"): Layer => ({
  name,
  params: [
    { name: "norm.gain", shape: [width], init: constant(1) },
    { name: "norm.bias", shape: [width], init: constant(0) },
    { name: "mlp.up", shape: [width, hidden], init: normal(1 / Math.sqrt(width)) },
    { name: "mlp.upBias", shape: [hidden], init: constant(0) },
    { name: "mlp.down", shape: [hidden, width], init: normal(1 / Math.sqrt(hidden)) },
    { name: "add.bias", shape: [width], init: constant(0) },
  ],
  async forward(tape: Tape, x: Held) {
    const normed = await tape.enter(tp, await tape.local(layerNorm, `${name}.norm`, x));
    return tape.local(
      residual,
      `${name}.add`,
      x,
      await tape.leave(tp, await tape.local(onAxis(mlpSegment, tp), `${name}.mlp`, normed)),
    );
  },
});

/** Vectors `[B, inputs]` to `[B, outputs]`. Layers: `in`, one a block named `0`, `1` .., `out`. */
export function mlp(options: MlpOptions): Model {
  const { inputs, outputs, layers, width, hidden = 4 * width, loss = "squares", axis = "tp" } = options;
  for (const [name, value] of Object.entries({ inputs, outputs, layers, width, hidden }))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`mlp({ ${name}: ${value} }): it must be a whole number from 1`);
  const measure = { squares: squaredError, classes: crossEntropy }[loss];
  if (!measure) throw new Error(`mlp({ loss: "${loss}" }): give "squares" or "classes"`);
  const blocks = Array.from({ length: layers }, (_, i) => block(`${i}`, width, hidden, axis as "tp"));
  return {
    name: "mlp",
    ...(loss === "classes" && { indices: { target: outputs } }),
    layers: [dense("in", inputs, width), ...blocks, dense("out", width, outputs)],
    loss: (tape, y, target) => tape.local(measure, "", y, target),
  };
}
