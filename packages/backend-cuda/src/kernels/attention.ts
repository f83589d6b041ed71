// Causal attention by name: the kernel that never writes the scores, and where a head is too wide for it, products and a softmax.
// P batch x heads, T time, K width of one head
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
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

/** y, and for the gradient each row's log-sum-exp, which keeps a share of y. */
function attention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const { q, k, v } = inputs;
  const [P, T, K] = q!.shape as [number, number, number];
  if (K > WIDEST) return composite(b, inputs, attrs.scale as number);
  const { stored, xs } = alike(b, [q!, k!, v!]);
  const [y, lse] = [b.output([P, T, K], "float32", stored), b.output([P, T], "float32")];
  const name = `attention_${K}_${stored}`;
  const launch = b.program(name, () => forward(name, K, stored));
  const addresses = [...xs, y, lse].map((x) => b.address(x));
  launch(blocks(T, tileFor(K)), P, 256, ...addresses, T, attrs.scale as number);
  b.keep(lse, y);
  b.release(...xs);
  return [y, lse];
}

function attentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const { dy, q, k, v, kept } = inputs;
  const [P, T, K] = q!.shape as [number, number, number];
  const scale = attrs.scale as number;
  if (K > WIDEST) return compositeGrad(b, inputs, scale);
  const { stored, xs } = alike(b, [dy!, q!, k!, v!]);
  const y = b.kept(kept!);
  const [delta, ...gradients] = [
    b.output([P, T], "float32"),
    ...xs.slice(1).map(() => b.output([P, T, K], "float32", stored)),
  ] as TensorInfo[];
  const kinds = [b.entry(xs[0]!.dataId).stored, b.entry(y.dataId).stored] as const;
  const dots = `attentionDots_${K}_${kinds.join("_")}`;
  b.program(dots, () => rowDots(dots, K, ...kinds))(
    blocks(P * T, 8),
    1,
    256,
    b.address(xs[0]!),
    b.address(y),
    b.address(delta!),
    P * T,
  );
  const given = [...xs, kept!, delta!].map((x) => b.address(x));
  const [dq, dk, dv] = gradients.map((x) => b.address(x)) as [number, number, number];
  const tiles = blocks(T, tileFor(K));
  const [keys, queries] = [`attentionKeys_${K}_${stored}`, `attentionQueries_${K}_${stored}`];
  b.program(keys, () => attentionKeys(keys, K, stored))(tiles, P, 256, ...given, dk, dv, T, scale);
  b.program(queries, () => attentionQueries(queries, K, stored))(tiles, P, 256, ...given, dq, T, scale);
  b.release(delta!, ...xs);
  return gradients;
}

export const attentions: Table = { "orthant.attention": attention, "orthant.attentionGrad": attentionGrad };
