// Causal attention whose scores are never written: on tensor cores where these take the heads, by the library's kernels or else our own,
// and in float32 elsewhere.
// B batch, T time, H heads, K width of one head
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../../backend/backend.ts";
import type { Attention } from "../../driver/gpu.ts";
import {
  attentionKeys,
  attentionQueries,
  attention as forwardSource,
  rowDots,
  tileFor,
} from "../../sources/attention.ts";
import type { Half } from "../../sources/mma.ts";
import { bytesOf, type Stored } from "../../sources/prelude.ts";
import { blocks } from "../dims.ts";
import { type Halves, halved, widened } from "../halves.ts";
import { storedAs } from "../moves.ts";
import type { Inputs } from "../table.ts";
import { flashAttention } from "./flash.ts";
import { type Heads, three } from "./heads.ts";

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
export function forward(b: CudaBackend, heads: Heads, shape: readonly number[]): TensorInfo[] {
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
export function backward(b: CudaBackend, heads: Heads, { dy, kept: lse }: Inputs): TensorInfo[] {
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
