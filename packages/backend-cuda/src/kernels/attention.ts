// Causal attention by name: the kernel that never writes the scores, and where a head is too wide for it, products and a softmax.
// P batch x heads, T time, K width of one head
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import type { Attention, HeadShape } from "../driver/gpu.ts";
import {
  attentionKeys,
  attentionQueries,
  attention as forward,
  rowDots,
  tileFor,
  WIDEST,
} from "../sources/attention.ts";
import type { Stored } from "../sources/prelude.ts";
import { blocks } from "./dims.ts";
import { storedAs } from "./moves.ts";
import { multiply } from "./products.ts";
import { causalSoftmax, causalSoftmaxGrad } from "./softmax.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

/** Tensors as they are all stored: bf16 where every one is. */
function alike(b: CudaBackend, xs: readonly TensorInfo[]): { stored: Stored; xs: TensorInfo[] } {
  const stored: Stored = xs.every((x) => b.entry(x.dataId).stored === "bf16") ? "bf16" : "f32";
  return { stored, xs: xs.map((x) => storedAs(b, x, stored)) };
}

const narrowed = (b: CudaBackend, x: TensorInfo): TensorInfo => storedAs(b, x, "bf16");

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

/** The library's attention, where it has these heads. */
const libraryFor = (b: CudaBackend, stored: Stored, K: number): Attention | undefined =>
  stored === "bf16" && K % 8 === 0 ? b.gpu.attention : undefined;

/** y, and for the gradient each row's log-sum-exp, which keeps a share of y. */
function attention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const { q, k, v } = inputs;
  const [P, T, K] = q!.shape as [number, number, number];
  const scale = attrs.scale as number;
  if (K > WIDEST) return composite(b, inputs, scale);
  const { stored, xs } = alike(b, [q!, k!, v!]);
  const [y, lse] = [b.output([P, T, K], "float32", stored), b.output([P, T], "float32")];
  const addresses = [...xs, y, lse].map((x) => b.address(x));
  const library = libraryFor(b, stored, K);
  if (library) {
    const [qAt, kAt, vAt, yAt, lseAt] = addresses as [number, number, number, number, number];
    library.forward({ P, T, K }, scale, b.memoryPool, { q: qAt, k: kAt, v: vAt, y: yAt, lse: lseAt });
  } else {
    const name = `attention_${K}_${stored}`;
    const launch = b.program(name, () => forward(name, K, stored));
    launch(blocks(T, tileFor(K)), P, 256, ...addresses, T, scale);
  }
  b.keep(lse, y);
  b.release(...xs);
  return [y, lse];
}

interface Gradient {
  readonly stored: Stored;
  readonly scale: number;
  readonly shape: HeadShape;
  /** dy, q, k, v. */
  readonly xs: readonly TensorInfo[];
  readonly y: TensorInfo;
  readonly lse: TensorInfo;
  /** dq, dk, dv, to be written. */
  readonly results: readonly [dq: number, dk: number, dv: number];
}

function byLibrary(b: CudaBackend, library: Attention, { scale, shape, xs, y, lse, results }: Gradient): void {
  const [dy, q, k, v] = xs.map((x) => b.address(x)) as [number, number, number, number];
  const [dq, dk, dv] = results;
  library.backward(shape, scale, b.memoryPool, { dy, q, k, v, y: b.address(y), lse: b.address(lse), dq, dk, dv });
}

function byKernels(b: CudaBackend, { stored, scale, shape: { P, T, K }, xs, y, lse, results }: Gradient): void {
  const delta = b.output([P, T], "float32");
  const kept = b.entry(y.dataId).stored;
  const [dots, keys, queries] = [
    `attentionDots_${K}_${stored}_${kept}`,
    `attentionKeys_${K}_${stored}`,
    `attentionQueries_${K}_${stored}`,
  ];
  const rows = b.program(dots, () => rowDots(dots, K, stored, kept));
  rows(blocks(P * T, 8), 1, 256, b.address(xs[0]!), b.address(y), b.address(delta), P * T);
  const given = [...xs, lse, delta].map((x) => b.address(x));
  const [tiles, [dq, dk, dv]] = [blocks(T, tileFor(K)), results];
  b.program(keys, () => attentionKeys(keys, K, stored))(tiles, P, 256, ...given, dk, dv, T, scale);
  b.program(queries, () => attentionQueries(queries, K, stored))(tiles, P, 256, ...given, dq, T, scale);
  b.release(delta);
}

function attentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const { dy, q, k, v, kept: lse } = inputs;
  const [P, T, K] = q!.shape as [number, number, number];
  const scale = attrs.scale as number;
  if (K > WIDEST) return compositeGrad(b, inputs, scale);
  const y = b.kept(lse!);
  const given = [q!, k!, v!].every((x) => b.entry(x.dataId).stored === "bf16") ? narrowed(b, dy!) : b.share(dy!);
  const { stored, xs } = alike(b, [given, q!, k!, v!]);
  const gradients = [q!, k!, v!].map((x) => b.output(x.shape, "float32", stored));
  const results = gradients.map((x) => b.address(x)) as [number, number, number];
  const gradient = { stored, scale, shape: { P, T, K }, xs, y, lse: lse!, results };
  const library = libraryFor(b, stored, K);
  if (library) byLibrary(b, library, gradient);
  else byKernels(b, gradient);
  b.release(given, ...xs);
  return gradients;
}

export const attentions: Table = { "orthant.attention": attention, "orthant.attentionGrad": attentionGrad };
