// Rows of a table picked by index and summed back into it, in the order of the index; sums of squares.
// N rows, D width, V rows of a table
import type { TensorInfo } from "@tensorflow/tfjs";
import type { Range } from "../kernels/squares.ts";
import type { Backend } from "./backend.ts";
import { type Program, total } from "./program.ts";
import type { Inputs } from "./stock.ts";

const lanes = 64;

/** One workgroup a row; an index outside the table picks nothing, which is 0. */
const picks: Program = {
  name: "pickRows",
  inputs: { table: "f32", index: "i32" },
  outputs: { y: "f32" },
  constants: { N: "u32", D: "u32", V: "u32" },
  lanes,
  body: `
  if (block >= c.N) { return; }
  let row = u32(index[block]);
  for (var d = lane; d < c.D; d += ${lanes}u) { y[block * c.D + d] = select(0.0, table[row * c.D + d], row < c.V); }`,
};

export function pickRows(b: Backend, { table, index }: Inputs): TensorInfo {
  const [V, D] = table!.shape as [number, number];
  const N = index!.shape[0]!;
  const y = b.output([N, D]);
  b.launch(picks, [table!, index!], [y], { N, D, V }, N);
  return y;
}

/** One workgroup a row of the table, which it alone writes: it looks at every index, as many at once as it has lanes. */
const intoRows: Program = {
  name: "sumIntoRows",
  inputs: { x: "f32", index: "i32" },
  outputs: { y: "f32" },
  constants: { N: "u32", D: "u32", V: "u32" },
  lanes,
  declare: `var<workgroup> seen: array<i32, ${lanes}>;`,
  body: `
  if (block >= c.V) { return; }
  let at = block * c.D;
  for (var d = lane; d < c.D; d += ${lanes}u) { y[at + d] = 0.0; }
  for (var first = 0u; first < c.N; first += ${lanes}u) {
    seen[lane] = -1;
    if (first + lane < c.N) { seen[lane] = index[first + lane]; }
    workgroupBarrier();
    for (var j = 0u; j < ${lanes}u; j++) {
      if (seen[j] == i32(block)) {
        for (var d = lane; d < c.D; d += ${lanes}u) { y[at + d] += x[(first + j) * c.D + d]; }
      }
    }
    workgroupBarrier();
  }`,
};

export function sumIntoRows(b: Backend, { x, index }: Inputs, { rows: V }: { readonly rows: number }): TensorInfo {
  const [N, D] = x!.shape as [number, number];
  const y = b.output([V, D]);
  b.launch(intoRows, [x!, index!], [y], { N, D, V }, V);
  return y;
}

/** Elements whose squares one workgroup adds up. */
const share = 16_384;

const squares: Program = {
  name: "sumOfSquares",
  inputs: { x: "f32" },
  outputs: { y: "f32" },
  constants: { first: "u32", end: "u32", parts: "u32" },
  lanes: 256,
  declare: total(256),
  body: `
  if (block >= c.parts) { return; }
  let start = c.first + block * ${share}u;
  var sum = 0.0;
  for (var i = start + lane; i < min(c.end, start + ${share}u); i += 256u) { sum += x[i] * x[i]; }
  sum = total(lane, sum);
  if (lane == 0u) { y[block] = sum; }`,
};

/** Partial sums `[parts]`, which the caller adds up in double precision. */
export function sumOfSquares(b: Backend, { x }: Inputs, { from, to }: Range): TensorInfo {
  const parts = Math.max(1, Math.ceil((to - from) / share));
  const y = b.output([parts]);
  b.launch(squares, [x!], [y], { first: from, end: to, parts }, parts);
  return y;
}
