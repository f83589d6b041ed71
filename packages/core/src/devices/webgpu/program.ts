// A kernel as plain data, and its text in WGSL: inputs and outputs are vectors of numbers, constants one struct `c`.

export type Scalar = "f32" | "u32" | "i32";

/** A compute program; it is known by its name, so two that differ in anything have two. */
export interface Program {
  readonly name: string;
  /** Types of the elements of inputs and outputs, by the names that `body` uses. */
  readonly inputs: Readonly<Record<string, Scalar>>;
  readonly outputs: Readonly<Record<string, Scalar>>;
  /** Types of numbers that a call gives: `c.N` in `body`. */
  readonly constants: Readonly<Record<string, Scalar>>;
  /** True where constants differ from step to step: they are not kept on the GPU. */
  readonly varies?: boolean;
  /** Lanes of a workgroup. */
  readonly lanes: number;
  /** Declarations before the function. */
  readonly declare?: string;
  /** Statements of the function, which knows `block` (the workgroup, from 0) and `lane`. */
  readonly body: string;
}

const list = (
  each: Readonly<Record<string, Scalar>>,
  show: (name: string, type: Scalar, i: number) => string,
): string =>
  Object.entries(each)
    .map(([name, type], i) => show(name, type, i))
    .join("\n");

/** The program's whole text. Constants come last, after inputs and outputs. */
export function toWgsl({ inputs, outputs, constants, lanes, declare = "", body }: Program): string {
  const reads = Object.keys(inputs).length;
  const all = reads + Object.keys(outputs).length;
  return `
${list(inputs, (name, type, i) => `@group(0) @binding(${i}) var<storage, read> ${name}: array<${type}>;`)}
${list(outputs, (name, type, i) => `@group(0) @binding(${reads + i}) var<storage, read_write> ${name}: array<${type}>;`)}
struct Constants { ${list(constants, (name, type) => `${name}: ${type},`)} }
@group(0) @binding(${all}) var<uniform> c: Constants;
${declare}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = group.y * groups.x + group.x;
  ${body}
}`;
}

/** Constants as the struct holds them: four bytes each, in order. */
export function toBytes(constants: Program["constants"], values: Readonly<Record<string, number>>): ArrayBuffer {
  const entries = Object.entries(constants);
  const bytes = new DataView(new ArrayBuffer(4 * entries.length));
  for (const [i, [name, type]] of entries.entries()) {
    const value = values[name]!;
    if (type === "f32") bytes.setFloat32(4 * i, value, true);
    else bytes.setUint32(4 * i, value, true);
  }
  return bytes.buffer;
}

/** Workgroups in two dims, for one dim ends at 65,535: those past `count` must do nothing. */
export function grid(count: number, most = 65_535): readonly [x: number, y: number] {
  const y = Math.ceil(count / most);
  return [y ? Math.ceil(count / y) : 0, y];
}

/** Declares `total` or `highest` over the lanes of a workgroup; all lanes must call it, and all get the answer. */
export const overLanes = (name: string, lanes: number, combined: string): string => `
var<workgroup> ${name}Lanes: array<f32, ${lanes}>;
fn ${name}(lane: u32, value: f32) -> f32 {
  ${name}Lanes[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) {
      let a = ${name}Lanes[lane];
      let b = ${name}Lanes[lane + half];
      ${name}Lanes[lane] = ${combined};
    }
    workgroupBarrier();
  }
  let answer = ${name}Lanes[0];
  workgroupBarrier();
  return answer;
}`;

/** Sums `value` over the lanes. */
export const total = (lanes: number): string => overLanes("total", lanes, "a + b");

/** Takes the largest `value` of the lanes. */
export const highest = (lanes: number): string => overLanes("highest", lanes, "max(a, b)");
