// AdamW of many parameters in one dispatch, and the sums of squares of many tensors. WebGPU promises a program 8 buffers, and one
// parameter's update takes 7: so the elements are copied side by side into one buffer first, which is no dispatch and needs no binding.
import type { TensorInfo } from "@tensorflow/tfjs";
import { util } from "@tensorflow/tfjs";
import type { AdamwAllStep } from "../kernels/adamw.ts";
import type { Ranges } from "../kernels/squares.ts";
import type { Backend, Copy } from "./backend.ts";
import { adamwConstants, adamwUpdate } from "./elementwise.ts";
import { type Program, total } from "./program.ts";
import type { Inputs } from "./stock.ts";

/** Elements of a block: those of one tensor alone. */
const share = 1024;

/** Bytes of the buffer that elements are copied into; what does not fit takes another dispatch. */
const most = 64 * 2 ** 20;

/** Elements `from .. from + count - 1` of tensor i, side by side with others from element `at`. */
export interface Run {
  readonly i: number;
  readonly from: number;
  readonly count: number;
  readonly at: number;
}

const toShare = (count: number): number => Math.ceil(count / share) * share;

/** Lays ranges of tensors side by side, each from a multiple of the block; in lists of at most `room` elements, a multiple too. */
export function layOut(ranges: readonly (readonly [from: number, to: number])[], room: number): Run[][] {
  const lists: Run[][] = [];
  let at = room;
  for (const [i, [first, to]] of ranges.entries())
    for (let from = first; from < to; ) {
      if (at === room) {
        lists.push([]);
        at = 0;
      }
      const count = Math.min(to - from, room - at);
      lists.at(-1)!.push({ i, from, count, at });
      at += toShare(count);
      from += count;
    }
  return lists;
}

/** Elements that fit into the buffer, `each` numbers for one. */
function roomFor(b: Backend, each: number): number {
  const bytes = Math.min(most, b.device.limits.maxStorageBufferBindingSize, b.device.limits.maxBufferSize);
  return Math.max(1, Math.floor(bytes / (4 * each * share))) * share;
}

const endOf = (runs: readonly Run[]): number => toShare(runs.at(-1)!.at + runs.at(-1)!.count);

/** A number for each block. */
const byBlock = <T>(runs: readonly Run[], value: (run: Run, block: number) => T): T[] =>
  runs.flatMap((run) => Array.from({ length: toShare(run.count) / share }, (_, block) => value(run, block)));

const updates: Program = {
  name: "adamwAll",
  inputs: { keep: "f32" },
  outputs: { x: "f32" },
  constants: { size: "u32", ...adamwConstants },
  varies: true,
  lanes: 256,
  body: `
  if (block * ${share}u >= c.size) { return; }
  for (var i = block * ${share}u + lane; i < (block + 1u) * ${share}u; i += 256u) {
    ${adamwUpdate({ value: "x[i]", grad: "x[c.size + i]", m: "x[2u * c.size + i]", v: "x[3u * c.size + i]", keep: "keep[block]" })}
    x[i] = next;
    x[2u * c.size + i] = first;
    x[3u * c.size + i] = second;
  }`,
};

/** value, grad, m, v of each in turn -> value, m, v of each; the values, gradients and moments of a list lie in four parts of one buffer. */
export function adamwAll(b: Backend, inputs: Inputs, { keep, overwrite: _, ...step }: AdamwAllStep): TensorInfo[] {
  const xs = Object.values(inputs);
  const ys = keep.flatMap((_, i) => [0, 2, 3].map((part) => b.output(xs[4 * i + part]!.shape)));
  const ranges = keep.map((_, i) => [0, util.sizeFromShape(xs[4 * i]!.shape)] as const);
  for (const runs of layOut(ranges, roomFor(b, 4))) {
    const size = endOf(runs);
    const all = b.output([4 * size]);
    const kept = b.constant(Float32Array.from(byBlock(runs, ({ i }) => keep[i]!)));
    const copy = ({ i, from, count, at }: Run, part: number): Copy => {
      return { from: [xs[4 * i + part]!, from], to: [all, part * size + at], count };
    };
    b.copy(runs.flatMap((run) => [0, 1, 2, 3].map((part) => copy(run, part))));
    b.launch(updates, [kept], [all], { size, ...step }, size / share);
    const back = ({ i, from, count, at }: Run, part: number, k: number): Copy => {
      return { from: [all, part * size + at], to: [ys[3 * i + k]!, from], count };
    };
    b.copy(runs.flatMap((run) => [0, 2, 3].map((part, k) => back(run, part, k))));
    for (const { dataId } of [all, kept]) b.disposeData(dataId);
  }
  return ys;
}

const lanes = 64;

/** Squares of a block's elements, of which `counts` are there; its sum is the block's, behind those of the lists before. */
const squares: Program = {
  name: "squaresAll",
  inputs: { x: "f32", counts: "u32" },
  outputs: { sums: "f32" },
  constants: { blocks: "u32", before: "u32" },
  lanes,
  declare: total(lanes),
  body: `
  if (block >= c.blocks) { return; }
  let start = block * ${share}u;
  var sum = 0.0;
  for (var i = start + lane; i < start + counts[block]; i += ${lanes}u) { sum += x[i] * x[i]; }
  sum = total(lane, sum);
  if (lane == 0u) { sums[c.before + block] = sum; }`,
};

/** The sums of each tensor's blocks, which end where the next one's begin. */
const totals: Program = {
  name: "squaresSums",
  inputs: { sums: "f32", ends: "u32" },
  outputs: { y: "f32" },
  constants: { N: "u32" },
  lanes,
  declare: total(lanes),
  body: `
  if (block >= c.N) { return; }
  var sum = 0.0;
  for (var i = ends[block] + lane; i < ends[block + 1u]; i += ${lanes}u) { sum += sums[i]; }
  sum = total(lane, sum);
  if (lane == 0u) { y[block] = sum; }`,
};

/** Sums the squares of blocks of a list of runs into `sums`, from `before` on; returns how many blocks that are. */
function addBlocks(b: Backend, xs: readonly TensorInfo[], runs: readonly Run[], sums: TensorInfo, before: number) {
  const all = b.output([endOf(runs)]);
  const counts = byBlock(runs, ({ count }, block) => Math.min(share, count - block * share));
  const table = b.constant(Int32Array.from(counts));
  b.copy(runs.map(({ i, from, count, at }) => ({ from: [xs[i]!, from], to: [all, at], count })));
  b.launch(squares, [all, table], [sums], { blocks: counts.length, before }, counts.length);
  for (const { dataId } of [all, table]) b.disposeData(dataId);
  return counts.length;
}

/** `[number of tensors]`: a dispatch for what is copied together, and one that adds up. */
export function sumsOfSquares(b: Backend, inputs: Inputs, { from, to }: Ranges): TensorInfo {
  const xs = Object.values(inputs);
  const lists = layOut(
    xs.map((_, i) => [from[i]!, to[i]!] as const),
    roomFor(b, 1),
  );
  const ends = [0];
  for (let i = 0; i < xs.length; i++) {
    const runs = lists.flat().filter((run) => run.i === i);
    ends.push(ends[i]! + runs.reduce((sum, { count }) => sum + Math.ceil(count / share), 0));
  }
  const [y, sums] = [b.output([xs.length]), b.output([ends.at(-1)!])];
  let before = 0;
  for (const runs of lists) before += addBlocks(b, xs, runs, sums, before);
  const table = b.constant(Int32Array.from(ends));
  b.launch(totals, [sums, table], [y], { N: xs.length }, xs.length);
  for (const { dataId } of [sums, table]) b.disposeData(dataId);
  return y;
}
