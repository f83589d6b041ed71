// Matrix products in WGSL, in place of tfjs's, which wait for each other at every tile of 32 and read transposed matrices
// across the grain. On a GPU a workgroup shares tiles of 64 or 128 (as in Nugteren, "Tutorial: OpenCL SGEMM tuning", 2014); on
// a software adapter, where a barrier costs more than what it saves, each lane reads what it needs.
// P matrices of M x K times K x N
import type { TensorInfo } from "@tensorflow/tfjs";
import type { Backend } from "./backend.ts";
import type { Program } from "./program.ts";

/** Which product it is. */
export interface Product {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly bias: boolean;
}

interface Sizes {
  readonly P: number;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const text = (n: number, each: (i: number) => string, between = "\n"): string => upTo(n).map(each).join(between);

const nameOf = (kind: string, { transposeA, transposeB, bias }: Product): string =>
  `matMul ${kind} ${transposeA ? "T" : ""}${transposeB ? "_T" : ""}${bias ? " bias" : ""}`;

/** What all have in common: tile (`row`, `column`) of matrix p, in the order of blocks. */
const frame = (tileM: number, tileN: number): string => `
  let wide = (c.N + ${tileN - 1}u) / ${tileN}u;
  let high = (c.M + ${tileM - 1}u) / ${tileM}u;
  let p = block / (wide * high);
  if (p >= c.P) { return; }
  let row = (block / wide % high) * ${tileM}u;
  let column = (block % wide) * ${tileN}u;
  let a0 = p * c.M * c.K;
  let b0 = p * c.K * c.N;`;

const base = ({ bias }: Product): Pick<Program, "inputs" | "outputs" | "constants"> => ({
  inputs: { a: "f32", b: "f32", ...(bias && { bias: "f32" }) },
  outputs: { y: "f32" },
  constants: { P: "u32", M: "u32", N: "u32", K: "u32" },
});

const [rowsEach, foursEach, across] = [8, 2, 8];
const columnsEach = 4 * foursEach;

/** Each of 8 lanes takes the same 8 rows, and 8 columns that lie 8 apart: what all lanes read of `a` is one number. */
function alone(product: Product): Program {
  const { transposeA, transposeB, bias } = product;
  const column = (q: number, j: number): number => (4 * q + j) * across;
  const right = (q: number): string => `vec4f(${text(4, (j) => `b[b${4 * q + j}_]`, ", ")})`;
  return {
    ...base(product),
    name: nameOf("alone", product),
    lanes: across,
    body: `${frame(rowsEach, across * columnsEach)}
  let n = column + lane;
  ${text(rowsEach, (i) => `var a${i}_ = a0 + min(row + ${i}u, c.M - 1u)${transposeA ? "" : " * c.K"};`)}
  ${text(columnsEach, (j) => `var b${j}_ = b0 + min(n + ${j * across}u, c.N - 1u)${transposeB ? " * c.K" : ""};`)}
  ${text(rowsEach, (i) => text(foursEach, (q) => `var y${i}_${q} = vec4f();`))}
  for (var k = 0u; k < c.K; k++) {
    ${text(foursEach, (q) => `let right${q} = ${right(q)};`)}
    ${text(rowsEach, (i) => `let left${i} = vec4f(a[a${i}_]);`)}
    ${text(rowsEach, (i) => text(foursEach, (q) => `y${i}_${q} = fma(left${i}, right${q}, y${i}_${q});`))}
    ${text(rowsEach, (i) => `a${i}_ += ${transposeA ? "c.M" : "1u"};`)}
    ${text(columnsEach, (j) => `b${j}_ += ${transposeB ? "1u" : "c.N"};`)}
  }
  ${text(rowsEach, (i) =>
    text(foursEach, (q) => text(4, (j) => store(`(row + ${i}u)`, `n + ${column(q, j)}u`, `y${i}_${q}[${j}]`, 0, bias))),
  )}`,
  };
}

const deep = 16;

/** Loads a tile of `deep` x `tile` elements into shared memory as rows of vectors along the tile, the outer side. */
function load(name: "a" | "b", tile: number, outerFirst: boolean): string {
  const [outer, end, at] = name === "a" ? ["row", "c.M", "a0"] : ["column", "c.N", "b0"];
  const each = (tile * deep) / 256;
  const [o, k] = outerFirst
    ? [`lane / ${deep}u + r * ${256 / deep}u`, `lane % ${deep}u`]
    : [`lane % ${tile}u`, `lane / ${tile}u + r * ${256 / tile}u`];
  return `
    for (var r = 0u; r < ${each}u; r++) {
      let o = ${o};
      let k = ${k};
      let i = min(${outer} + o, ${end} - 1u);
      let j = min(from_ + k, c.K - 1u);
      let value = ${name}[${at} + ${outerFirst ? "i * c.K + j" : `j * ${end} + i`}];
      ${name}Tile[k * ${tile / 4 + 1}u + o / 4u][o % 4u] = select(0.0, value, from_ + k < c.K);
    }`;
}

/** Component j of a lane's sum. Unrolled: a vector that is indexed by a variable lives in memory, not in registers. */
const store = (m: string, n: string, value: string, j: number, bias: boolean): string => `
  if (${m} < c.M && ${n} + ${j}u < c.N) {
    y[(p * c.M + ${m}) * c.N + ${n} + ${j}u] = ${value}${bias ? ` + bias[${n} + ${j}u]` : ""};
  }`;

/** 256 lanes share a square tile; each takes `each` rows and columns, in fours that lie 64 apart. */
function shared(product: Product, each: 4 | 8): Program {
  const { transposeA, transposeB, bias } = product;
  const tile = 16 * each;
  const [fours, stride] = [each / 4, tile / 4 + 1];
  const rowOf = (i: number): string => `row + ${64 * Math.floor(i / 4) + (i % 4)}u + down * 4u`;
  const columnOf = (q: number): string => `column + ${64 * q}u + right * 4u`;
  const product4 = (i: number, q: number): string =>
    `y${i}_${q} = fma(vec4f(left${Math.floor(i / 4)}[${i % 4}]), b${q}_, y${i}_${q});`;
  return {
    ...base(product),
    name: nameOf(`shared ${tile}`, product),
    lanes: 256,
    declare: `
var<workgroup> aTile: array<vec4f, ${deep * stride}>;
var<workgroup> bTile: array<vec4f, ${deep * stride}>;`,
    body: `${frame(tile, tile)}
  let right = lane % 16u;
  let down = lane / 16u;
  ${text(each, (i) => text(fours, (q) => `var y${i}_${q} = vec4f();`, " "))}
  for (var from_ = 0u; from_ < c.K; from_ += ${deep}u) {
    ${load("a", tile, !transposeA)}
    ${load("b", tile, transposeB)}
    workgroupBarrier();
    for (var k = 0u; k < ${deep}u; k++) {
      ${text(fours, (q) => `let left${q} = aTile[k * ${stride}u + ${16 * q}u + down];`)}
      ${text(fours, (q) => `let b${q}_ = bTile[k * ${stride}u + ${16 * q}u + right];`)}
      ${text(each, (i) => text(fours, (q) => product4(i, q), " "))}
    }
    workgroupBarrier();
  }
  ${text(each, (i) => text(fours, (q) => text(4, (j) => store(rowOf(i), columnOf(q), `y${i}_${q}[${j}]`, j, bias))))}`,
  };
}

/** Workgroups below which a large tile leaves parts of a large GPU without work. */
const enough = 96;

/** The program for a product of these sizes, and its workgroups. */
function choose(b: Backend, product: Product, { P, M, N }: Sizes): { program: Program; count: number } {
  const blocks = (tileM: number, tileN: number): number => P * Math.ceil(M / tileM) * Math.ceil(N / tileN);
  if (b.software) return { program: alone(product), count: blocks(rowsEach, across * columnsEach) };
  const each = blocks(128, 128) >= enough ? 8 : 4;
  return { program: shared(product, each), count: blocks(16 * each, 16 * each) };
}

/** `a [P, M, K] b [P, K, N]`, each transposed or not, plus a row `bias [N]` or none -> `[P, M, N]` as `shape`. */
export function multiply(
  b: Backend,
  inputs: readonly TensorInfo[],
  product: Product,
  sizes: Sizes,
  shape: readonly number[],
): TensorInfo {
  const y = b.output(shape);
  const { program, count } = choose(b, product, sizes);
  b.launch(program, inputs, [y], { ...sizes }, count);
  return y;
}
