// Causal attention by products and a softmax, its scores written out: for heads too wide for the kernels that do not.
// B batch, T time, H heads, K width of one head, P = B H
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../../backend/backend.ts";
import { rowMajor } from "../dims.ts";
import { pick, transpose } from "../moves.ts";
import { multiply } from "../products.ts";
import { concat } from "../shapes.ts";
import { causalSoftmax, causalSoftmaxGrad } from "../softmax.ts";
import type { Inputs } from "../table.ts";
import type { Heads, Places } from "./heads.ts";

/** Attention over heads apart: `[P, T, K]`, and the probabilities `[P, T, T]`. */
export function composite(b: CudaBackend, { q, k, v }: Inputs, scale: number): TensorInfo[] {
  const score = multiply(b, q!, k!, { transposeB: true });
  const p = causalSoftmax(b, score, scale);
  b.release(score);
  return [multiply(b, p, v!), p];
}

/** Gradients by q, k and v, each `[P, T, K]`; `kept` are the probabilities. */
export function compositeGrad(b: CudaBackend, { dy, q, k, v, kept: p }: Inputs, scale: number): TensorInfo[] {
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

/** The same over heads side by side: `[B, T, H, K]`, and the probabilities. */
export function packedComposite(b: CudaBackend, qkv: TensorInfo, { places, scale }: Heads): TensorInfo[] {
  const parts = parted(b, qkv, places);
  const [y, p] = composite(b, parts, scale) as [TensorInfo, TensorInfo];
  b.release(...Object.values(parts));
  return [timeFirst(b, y, places), p];
}

/** Its gradient by all of them, `[B, T, 3, H, K]`. */
export function packedCompositeGrad(b: CudaBackend, inputs: Inputs, { places, scale }: Heads): TensorInfo {
  const { B, T, H, K } = places;
  const parts = { ...parted(b, inputs.qkv!, places), dy: headsFirst(b, inputs.dy!, places) };
  const gradients = compositeGrad(b, { ...parts, kept: inputs.kept! }, scale).map((x) => timeFirst(b, x, places));
  const wide = gradients.map((x) => ({ ...x, shape: [B, T, 1, H, K] }));
  const y = concat(b, wide, 2);
  b.release(...gradients, ...Object.values(parts));
  return y;
}
