// What is done to each element alone: gelu and its gradient, a row added to every row, AdamW.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { AdamwStep } from "../kernels/adamw.ts";
import type { Backend } from "./backend.ts";
import type { Program, Scalar } from "./program.ts";
import type { Inputs } from "./stock.ts";

const lanes = 256;
const each = 4;

const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((n, d) => n * d, 1);

const floats = (names: readonly string[]): Record<string, Scalar> =>
  Object.fromEntries(names.map((name) => [name, "f32"]));

/** `body` runs for every element i. */
function program(
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  body: string,
  more: readonly string[] = [],
): Program {
  return {
    name,
    inputs: floats(inputs),
    outputs: floats(outputs),
    constants: { size: "u32", ...floats(more) },
    lanes,
    body: `
  let start = block * ${lanes * each}u + lane;
  for (var i = start; i < min(c.size, start + ${lanes * each}u); i += ${lanes}u) { ${body} }`,
  };
}

function run(
  b: Backend,
  program: Program,
  inputs: readonly TensorInfo[],
  outputs: number,
  constants: Readonly<Record<string, number>> = {},
) {
  const [{ shape }, size] = [inputs[0]!, sizeOf(inputs[0]!)];
  const made = Array.from({ length: outputs }, () => b.output(shape));
  b.launch(program, inputs, made, { size, ...constants }, Math.ceil(size / (lanes * each)));
  return made;
}

const a = 2 * Math.sqrt(2 / Math.PI);
const gate = `
  let square = x[i] * x[i];
  let s = 1.0 / (1.0 + exp(-x[i] * (${a} + ${0.044715 * a} * square)));`;

const geluProgram = program("gelu", ["x"], ["y"], `${gate} y[i] = x[i] * s;`);
const geluGradProgram = program(
  "geluGrad",
  ["x", "dy"],
  ["y", "dx"],
  `${gate}
  y[i] = x[i] * s;
  dx[i] = dy[i] * (s + x[i] * s * (1.0 - s) * (${a} + ${3 * 0.044715 * a} * square));`,
);

export const gelu = (b: Backend, { x }: Inputs): TensorInfo => run(b, geluProgram, [x!], 1)[0]!;

export const geluGrad = (b: Backend, { x, dy }: Inputs): TensorInfo[] => run(b, geluGradProgram, [x!, dy!], 2);

const addRowProgram = program("addRow", ["x", "row"], ["y"], "y[i] = x[i] + row[i % arrayLength(&row)];");

export const addRow = (b: Backend, { x, row }: Inputs): TensorInfo => run(b, addRowProgram, [x!, row!], 1)[0]!;

/** Constants of a step for all parameters; what decay leaves is each parameter's own. */
export const adamwConstants: Record<string, Scalar> = floats(["beta1", "beta2", "eps", "rate", "unbias2", "scale"]);

/** What a step makes of one element: `next`, `first` and `second`, by the names of what it was. */
export const adamwUpdate = ({ value, grad, m, v, keep }: Readonly<Record<string, string>>): string => `
  let g = ${grad} * c.scale;
  let first = c.beta1 * ${m} + (1.0 - c.beta1) * g;
  let second = c.beta2 * ${v} + (1.0 - c.beta2) * g * g;
  let next = ${keep} * ${value} - c.rate * first / (sqrt(second * c.unbias2) + c.eps);`;

const adamwProgram: Program = {
  ...program(
    "adamw",
    ["value", "grad", "m", "v"],
    ["value1", "m1", "v1"],
    `${adamwUpdate({ value: "value[i]", grad: "grad[i]", m: "m[i]", v: "v[i]", keep: "c.keep" })}
  m1[i] = first;
  v1[i] = second;
  value1[i] = next;`,
    [...Object.keys(adamwConstants), "keep"],
  ),
  varies: true,
};

export const adamw = (b: Backend, { value, grad, m, v }: Inputs, step: AdamwStep): TensorInfo[] =>
  run(b, adamwProgram, [value!, grad!, m!, v!], 3, { ...step });
