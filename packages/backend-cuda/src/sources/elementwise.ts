// Sources of element-by-element kernels from one C++ expression of a, b, c .. (the inputs) and s0, s1 .. (constants).
import type { Program } from "../driver/gpu.ts";
import { cType, register, type Stored } from "./prelude.ts";
import { walkOffsets, walkParameters } from "./walk.ts";

/**
 * How an input meets an index: its own element, a number handed over, one number in memory, the element of a row that is the same for
 * all rows (its width is a multiple of 4), or by strides.
 */
export type Mode = "each" | "value" | "one" | "row" | "walk";

export interface Operand {
  readonly stored: Stored;
  readonly mode: Mode;
}

export interface Elementwise {
  readonly expression: string;
  readonly inputs: readonly Operand[];
  readonly output: Stored;
  /** Number of float constants. */
  readonly constants: number;
  /** Number of dims, where an input has mode "walk". */
  readonly rank: number;
}

const letters = "abcdefgh";
const names = (count: number, of: (i: number) => string): string[] => Array.from({ length: count }, (_, i) => of(i));

/** `INLINE T f(float a, ..)`: the expression as a function of registers. */
function pure({ expression, inputs, constants }: Elementwise): string {
  const takes = inputs.map(({ stored }, i) => `${register(stored)} ${letters[i]}`);
  const numbers = names(constants, (i) => `float s${i}`);
  return `INLINE auto f(${[...takes, ...numbers].join(", ")}) { return ${expression}; }`;
}

const declared = ({ stored, mode }: Operand, i: number): string =>
  mode === "value" ? `${register(stored)} ${letters[i]}_` : `const ${cType[stored]}* ${letters[i]}_`;

const letter = ({ stored, mode }: Operand): string =>
  mode !== "value" ? "p" : register(stored) === "float" ? "f" : "i";

/** The call of `f` for one element; `each` says how an element of mode "each" is reached. */
function call({ inputs, constants }: Elementwise, each: (i: number) => string): string {
  const found = inputs.map(({ mode }, i) => {
    const name = letters[i];
    const walk = `get(${name}_[${name}at])`;
    return { each: each(i), value: `${name}_`, one: `get(${name}_[0])`, row: each(i), walk }[mode];
  });
  return `f(${[...found, ...names(constants, (i) => `s${i}`)].join(", ")})`;
}

/** Four elements a thread, each load and store as wide as four of them. */
function straight(name: string, at: Elementwise): string {
  const from: Readonly<Partial<Record<Mode, string>>> = { each: "i", row: "i % (u32)width" };
  const loads = at.inputs.map(({ mode, stored }, i) =>
    from[mode]
      ? `Four<${cType[stored]}> ${letters[i]}4 = *(const Four<${cType[stored]}>*)(${letters[i]}_ + ${from[mode]});`
      : "",
  );
  const rows = at.inputs.some(({ mode }) => mode === "row");
  const place = (k: number): string => (at.inputs[k]!.mode === "row" ? "i % (u32)width" : "i");
  const parameters = [
    ...at.inputs.map(declared),
    `${cType[at.output]}* y`,
    "int n",
    ...names(at.constants, (i) => `float s${i}`),
    ...(rows ? ["int width"] : []),
  ];
  return `${pure(at)}
extern "C" __global__ void ${name}(${parameters.join(", ")}) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i + 4 <= n) {
    ${loads.join(" ")}
    Four<${cType[at.output]}> y4;
    for (int j = 0; j < 4; j++) put(y4.v[j], ${call(at, (k) => `get(${letters[k]}4.v[j])`)});
    *(Four<${cType[at.output]}>*)(y + i) = y4;
  } else for (; i < n; i++) put(y[i], ${call(at, (k) => `get(${letters[k]}_[${place(k)}])`)});
}`;
}

function walking(name: string, at: Elementwise): string {
  const operands = at.inputs.flatMap(({ mode }, i) => (mode === "walk" ? [letters[i]!] : []));
  const parameters = [
    ...at.inputs.map(declared),
    `${cType[at.output]}* y`,
    "int n",
    ...names(at.constants, (i) => `float s${i}`),
  ];
  return `${pure(at)}
extern "C" __global__ void ${name}(${parameters.join(", ")}, ${walkParameters(at.rank, operands)}) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  ${walkOffsets(at.rank, operands)}
  put(y[i], ${call(at, (k) => `get(${letters[k]}_[i])`)});
}`;
}

/** The kernel; its parameters are inputs, output, number of elements, constants, then the walk's or the width of rows. */
export function elementwise(name: string, at: Elementwise): Omit<Program, "name"> {
  const walks = at.inputs.filter(({ mode }) => mode === "walk").length;
  const takes = `${at.inputs.map(letter).join("")}pi${"f".repeat(at.constants)}`;
  return walks
    ? { takes: takes + "i".repeat(at.rank * (1 + walks)), source: walking(name, at) }
    : { takes: at.inputs.some(({ mode }) => mode === "row") ? `${takes}i` : takes, source: straight(name, at) };
}
