// Causal attention by name: on tensor cores where these take the heads, by the library's kernels or else our own; in float32 elsewhere,
// which never writes the scores either; and where a head is too wide for both, products and a softmax. Queries, keys and values come
// apart or side by side.
// B batch, T time, H heads, K width of one head, P = B H
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import type { Attention, HeadShape } from "../driver/gpu.ts";
import {
  attentionKeys,
  attentionQueries,
  attention as forwardSource,
  rowDots,
  tileFor,
  WIDEST,
} from "../sources/attention.ts";
import type { Half } from "../sources/mma.ts";
import { bytesOf, type Stored } from "../sources/prelude.ts";
import { blocks, rowMajor } from "./dims.ts";
import { flashAttention } from "./flash.ts";
import { type Halves, halved, widened } from "./halves.ts";
import { pick, storedAs, transpose } from "./moves.ts";
import { multiply } from "./products.ts";
import { concat } from "./shapes.ts";
import { causalSoftmax, causalSoftmaxGrad } from "./softmax.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

type Places = Omit<HeadShape, "type">;
type Three = readonly [q: number, k: number, v: number];

/** Where queries, keys and values are: in one tensor of all three, or in three. */
interface Heads {
  readonly xs: readonly TensorInfo[];
  readonly places: Places;
  readonly scale: number;
}

const apart = ({ q, k, v }: Inputs, { scale }: Attributes): Heads => {
  const [P, T, K] = q!.shape as [number, number, number];
  return { xs: [q!, k!, v!], places: { B: P, T, H: 1, K, row: K }, scale: scale as number };
};

const packed = ({ qkv }: Inputs, { scale }: Attributes): Heads => {
  const [B, T, , H, K] = qkv!.shape as [number, number, number, number, number];
  return { xs: [qkv!], places: { B, T, H, K, row: 3 * H * K }, scale: scale as number };
};

/** Addresses of the three, from those of the tensors that hold them. */
const three = (addresses: readonly number[], { H, K }: Places, bytes: number): Three =>
  addresses.length === 3
    ? (addresses as unknown as Three)
    : [addresses[0]!, addresses[0]! + H * K * bytes, addresses[0]! + 2 * H * K * bytes];

const isLow = (b: CudaBackend, xs: readonly TensorInfo[]): boolean =>
  xs.every((x) => b.entry(x.dataId).stored === "bf16");

/** Tensors as they are all stored: bf16 where every one is. */
function alike(b: CudaBackend, xs: readonly TensorInfo[]): { stored: Stored; xs: TensorInfo[] } {
  const stored: Stored = isLow(b, xs) ? "bf16" : "f32";
  return { stored, xs: xs.map((x) => storedAs(b, x, stored)) };
}

/**
 * What tensor cores are asked for, the library's kernels or else our own: types of two bytes; float32 goes through halves where TF32 is
 * allowed, which has as many bits.
 */
function tensorCores(
  b: CudaBackend,
  stored: Stored,
  { places, scale }: Heads,
): { library: Attention; type: Half } | undefined {
  const library = b.gpu.attention ?? (scale > 0 ? flashAttention(b) : undefined);
  if (!library || places.K % 8) return undefined;
  if (stored === "bf16") return { library, type: "bf16" };
  return b.precision === "tf32" ? { library, type: "f16" } : undefined;
}

/** y `[B, T, H, K]` under `shape`, and for the gradient each row's log-sum-exp, which keeps a share of y. */
function forward(b: CudaBackend, heads: Heads, shape: readonly number[]): TensorInfo[] {
  const { places, scale } = heads;
  const { B, T, H, K, row } = places;
  const { stored, xs } = alike(b, heads.xs);
  const [y, lse] = [b.output(shape, "float32", stored), b.output([B * H, T], "float32")];
  const by = tensorCores(b, stored, heads);
  const lseAt = b.address(lse);
  if (by) {
    const given = by.type === "f16" ? xs.map((x) => halved(b, x)) : undefined;
    const [q, k, v] = three(given ? given.map(({ address }) => address) : xs.map((x) => b.address(x)), places, 2);
    const mixed = given ? halved(b, y, "empty") : undefined;
    const at = { q, k, v, y: mixed?.address ?? b.address(y), lse: lseAt };
    by.library.forward({ ...places, type: by.type }, scale, b.memoryPool, at);
    if (mixed) widened(b, mixed, y);
    free(b, given, mixed);
  } else {
    const name = `attention_${K}_${stored}`;
    const launch = b.program(name, () => forwardSource(name, K, stored));
    const at = three(
      xs.map((x) => b.address(x)),
      places,
      bytesOf[stored],
    );
    launch(blocks(T, tileFor(K)), B * H, 256, ...at, b.address(y), lseAt, T, H, row, scale);
  }
  b.keep(lse, y);
  b.release(...xs);
  return [y, lse];
}

const free = (b: CudaBackend, ...all: readonly (Halves | readonly Halves[] | undefined)[]): void => {
  for (const each of all.flat()) if (each) b.memoryPool.give(each.address, each.bytes);
};

interface Gradient {
  readonly heads: Heads;
  readonly stored: Stored;
  /** The inputs, alike; those of the gradient, to be written. */
  readonly xs: readonly TensorInfo[];
  readonly dxs: readonly TensorInfo[];
  readonly dy: TensorInfo;
  readonly y: TensorInfo;
  readonly lse: TensorInfo;
}

function byLibrary(b: CudaBackend, library: Attention, { heads, xs, dxs, dy, y, lse }: Gradient): void {
  const { places, scale } = heads;
  const at = (all: readonly TensorInfo[]) => all.map((x) => b.address(x));
  const [[q, k, v], [dq, dk, dv]] = [three(at(xs), places, 2), three(at(dxs), places, 2)];
  const addresses = { dy: b.address(dy), q, k, v, y: b.address(y), lse: b.address(lse), dq, dk, dv };
  library.backward({ ...places, type: "bf16" }, scale, b.memoryPool, addresses);
}

/** The same through halves: the gradient is scaled into their range, and back. */
function byHalves(b: CudaBackend, library: Attention, { heads, xs, dxs, dy, y, lse }: Gradient): void {
  const { places, scale } = heads;
  const [given, mixed, slope] = [xs.map((x) => halved(b, x)), halved(b, y), halved(b, dy, "scaled")];
  const made = dxs.map((dx) => halved(b, dx, "empty"));
  const at = (all: readonly Halves[]) => all.map(({ address }) => address);
  const [[q, k, v], [dq, dk, dv]] = [three(at(given), places, 2), three(at(made), places, 2)];
  const addresses = { dy: slope.address, q, k, v, y: mixed.address, lse: b.address(lse), dq, dk, dv };
  library.backward({ ...places, type: "f16" }, scale, b.memoryPool, addresses);
  for (const [i, dx] of dxs.entries()) widened(b, { ...made[i]!, largest: slope.largest }, dx);
  free(b, given, mixed, slope, made);
  if (slope.largest) b.release(slope.largest);
}

function byKernels(b: CudaBackend, { heads, stored, xs, dxs, dy, y, lse }: Gradient): void {
  const { B, T, H, K, row } = heads.places;
  const delta = b.output([B * H, T], "float32");
  const [from, kept] = [b.entry(dy.dataId).stored, b.entry(y.dataId).stored];
  const [dots, keys, queries] = [
    `attentionDots_${K}_${from}_${kept}`,
    `attentionKeys_${K}_${stored}`,
    `attentionQueries_${K}_${stored}`,
  ];
  const rows = b.program(dots, () => rowDots(dots, K, from, kept));
  rows(blocks(B * T * H, 8), 1, 256, b.address(dy), b.address(y), b.address(delta), B * T * H, T, H);
  const at = (all: readonly TensorInfo[]) => all.map((x) => b.address(x));
  const places = (all: readonly TensorInfo[]) => three(at(all), heads.places, bytesOf[stored]);
  const given = [b.address(dy), ...places(xs), b.address(lse), b.address(delta)];
  const [tiles, [dq, dk, dv], rest] = [blocks(T, tileFor(K)), places(dxs), [T, H, row, heads.scale]];
  b.program(keys, () => attentionKeys(keys, K, stored))(tiles, B * H, 256, ...given, dk, dv, ...rest);
  b.program(queries, () => attentionQueries(queries, K, stored))(tiles, B * H, 256, ...given, dq, ...rest);
  b.release(delta);
}

/** Gradients by the tensors of `heads`. */
function backward(b: CudaBackend, heads: Heads, { dy, kept: lse }: Inputs): TensorInfo[] {
  const y = b.kept(lse!);
  const { stored, xs } = alike(b, heads.xs);
  const slope = storedAs(b, dy!, stored);
  const dxs = heads.xs.map((x) => b.output(x.shape, "float32", stored));
  const gradient = { heads, stored, xs, dxs, dy: slope, y, lse: lse! };
  const by = tensorCores(b, stored, heads);
  if (!by) byKernels(b, gradient);
  else if (by.type === "f16") byHalves(b, by.library, gradient);
  else byLibrary(b, by.library, gradient);
  b.release(slope, ...xs);
  return dxs;
}

/** Softmax of the scores, written out. */
function composite(b: CudaBackend, { q, k, v }: Inputs, scale: number): TensorInfo[] {
  const score = multiply(b, q!, k!, { transposeB: true });
  const p = causalSoftmax(b, score, scale);
  b.release(score);
  return [multiply(b, p, v!), p];
}

function compositeGrad(b: CudaBackend, { dy, q, k, v, kept: p }: Inputs, scale: number): TensorInfo[] {
  const dp = multiply(b, dy!, v!, { transposeB: true });
  const dscore = causalSoftmaxGrad(b, p!, dp, scale);
  const gradients = [
    multiply(b, dscore, k!),
    multiply(b, dscore, q!, { transposeA: true }),
    multiply(b, p!, dy!, { transposeA: true }),
  ];
  b.release(dp, dscore);
  return gradients;
}

/** `[B, T, H, K] -> [P, T, K]`, new. */
function headsFirst(b: CudaBackend, x: TensorInfo, { B, T, H, K }: Places): TensorInfo {
  return { ...transpose(b, { ...x, shape: [B, T, H, K] }, [0, 2, 1, 3]), shape: [B * H, T, K] };
}

/** `[P, T, K] -> [B, T, H, K]`, new; x is released. */
function timeFirst(b: CudaBackend, x: TensorInfo, { B, T, H, K }: Places): TensorInfo {
  const y = transpose(b, { ...x, shape: [B, H, T, K] }, [0, 2, 1, 3]);
  b.release(x);
  return y;
}

/** q, k and v of a packed tensor, each `[P, T, K]`, new. */
function parted(b: CudaBackend, qkv: TensorInfo, at: Places): Inputs {
  const [own, { B, T, H, K }] = [rowMajor(qkv.shape), at];
  const strides = [own[0]!, own[3]!, own[1]!, 1];
  const [q, k, v] = [0, 1, 2].map((i) => ({ ...pick(b, qkv, [B, H, T, K], i * H * K, strides), shape: [B * H, T, K] }));
  return { q: q!, k: k!, v: v! };
}

function attention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = apart(inputs, attrs);
  if (heads.places.K > WIDEST) return composite(b, inputs, heads.scale);
  return forward(b, heads, inputs.q!.shape);
}

function attentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = apart(inputs, attrs);
  if (heads.places.K > WIDEST) return compositeGrad(b, inputs, heads.scale);
  return backward(b, heads, inputs);
}

function packedAttention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = packed(inputs, attrs);
  const { B, T, H, K } = heads.places;
  if (K <= WIDEST) return forward(b, heads, [B, T, H, K]);
  const parts = parted(b, inputs.qkv!, heads.places);
  const [y, p] = composite(b, parts, heads.scale) as [TensorInfo, TensorInfo];
  b.release(...Object.values(parts));
  return [timeFirst(b, y, heads.places), p];
}

function packedAttentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo {
  const heads = packed(inputs, attrs);
  const { B, T, H, K } = heads.places;
  if (K <= WIDEST) return backward(b, heads, inputs)[0]!;
  const parts = { ...parted(b, inputs.qkv!, heads.places), dy: headsFirst(b, inputs.dy!, heads.places) };
  const gradients = compositeGrad(b, { ...parts, kept: inputs.kept! }, heads.scale).map((x) =>
    timeFirst(b, x, heads.places),
  );
  const wide = gradients.map((x) => ({ ...x, shape: [B, T, 1, H, K] }));
  const y = concat(b, wide, 2);
  b.release(...gradients, ...Object.values(parts));
  return y;
}

export const attentions: Table = {
  "orthant.attention": attention,
  "orthant.attentionGrad": attentionGrad,
  "orthant.packedAttention": packedAttention,
  "orthant.packedAttentionGrad": packedAttentionGrad,
};
