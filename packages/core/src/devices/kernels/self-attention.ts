// Self-attention with its projections as one kernel, and all its gradients as another: for a device on which a call costs more than a
// small product.
// B batch, T time, N = B T, D model width, H heads, K width of one head, C = 3 H K: queries, keys, values of all heads
import * as tf from "@tensorflow/tfjs";
import { view } from "../view.ts";
import type { Scaled } from "./attention.ts";
import { packedAttention, packedAttentionGrad } from "./heads.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { product } from "./product.ts";
import { columnSums, joinColumns } from "./rows.ts";

/** Weights `[D, H, K]` of queries, keys and values, and `[H, K, D]` of what leaves. */
export interface AttentionWeights {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
  readonly out: tf.Tensor;
}

/** `x [B, T, D]`; biases `[H, K]`, all three or none. */
export interface SelfAttentionInputs extends AttentionWeights {
  readonly x: tf.Tensor;
  readonly queryBias?: tf.Tensor | undefined;
  readonly keyBias?: tf.Tensor | undefined;
  readonly valueBias?: tf.Tensor | undefined;
}

/** What the gradients need beside x and weights: qkv `[B, T, 3, H, K]`, what `packedAttention` keeps, and what it gives, `[B, T, H, K]`. */
type Attended = [y: tf.Tensor, qkv: tf.Tensor, kept: tf.Tensor, mixed: tf.Tensor];

const no = { transposeA: false, transposeB: false };
const [onLeft, onRight] = [
  { ...no, transposeA: true },
  { ...no, transposeB: true },
];

const matrix = (x: tf.Tensor): tf.Tensor2D => view(x, [x.size / x.shape.at(-1)!, x.shape.at(-1)!]) as tf.Tensor2D;

/** `[D, H, K]` as a matrix `[D, H K]`. */
const flat = (w: tf.Tensor): tf.Tensor2D => view(w, [w.shape[0]!, w.size / w.shape[0]!]) as tf.Tensor2D;

/** Joins the weights of q, k and v side by side, `[D, C]`. */
export const joinedWeights = ({ query, key, value }: Omit<AttentionWeights, "out">): tf.Tensor =>
  joinColumns([query, key, value].map(flat));

function projected({ x, queryBias, keyBias, valueBias, ...weights }: SelfAttentionInputs): tf.Tensor {
  const [a, b] = [matrix(x), joinedWeights(weights) as tf.Tensor2D];
  if (!queryBias || !keyBias || !valueBias) return product({ a, b }, no);
  return tf.fused.matMul({ a, b, bias: tf.concat([queryBias, keyBias, valueBias].map((bias) => bias.flatten())) });
}

/** Causal self-attention of every head and its projections: x `[B, T, D]` -> the same shape without an output bias, and what gradients need. */
export const selfAttention: Kernel<SelfAttentionInputs, Attended, Scaled> = kernel(
  "orthant.selfAttention",
  (inputs, scaled) => {
    const { x, query, out } = inputs;
    const [B, T] = x.shape as [number, number];
    const [, H, K] = query.shape as [number, number, number];
    const qkv = view(projected(inputs), [B, T, 3, H, K]);
    const [mixed, kept] = packedAttention({ qkv }, scaled);
    const y = product({ a: view(mixed, [B * T, H * K]), b: matrix(out) }, no);
    return [view(y, x.shape), qkv, kept, mixed];
  },
);

/** What `selfAttentionGrad` starts from: the gradient of its result, its inputs, and what `selfAttention` gave for it. */
export interface SelfAttentionGradInputs extends AttentionWeights {
  /** `[B, T, D]`. */
  readonly dy: tf.Tensor;
  readonly x: tf.Tensor;
  readonly qkv: tf.Tensor;
  readonly kept: tf.Tensor;
  readonly mixed: tf.Tensor;
}

/** Gradient by q, k and v of all heads, from which those of their weights and of x start: `[N, C]`. */
export function headGradients(inputs: Omit<SelfAttentionGradInputs, "x" | "mixed">, scaled: Scaled): tf.Tensor {
  const { dy, out, qkv, kept } = inputs;
  const [B, T, , H, K] = qkv.shape as [number, number, number, number, number];
  const dmixed = product({ a: matrix(dy), b: matrix(out) }, onRight);
  return view(packedAttentionGrad({ dy: view(dmixed, [B, T, H, K]), qkv, kept }, scaled), [B * T, 3 * H * K]);
}

export interface SelfAttentionGradAttrs extends Scaled {
  /** Whether q, k and v have biases. */
  readonly biased: boolean;
}

/** Gradients of `selfAttention` by query, key, value, out, where `biased` by the three biases, and by x, each of the shape of its own. */
export const selfAttentionGrad: Kernel<SelfAttentionGradInputs, tf.Tensor[], SelfAttentionGradAttrs> = kernel(
  "orthant.selfAttentionGrad",
  (inputs, { biased, scale }) => {
    const { dy, x, query, key, value, out, mixed } = inputs;
    const [, H, K] = query.shape as [number, number, number];
    const dheads = headGradients(inputs, { scale });
    const weights = tf.split(product({ a: matrix(x), b: dheads }, onLeft), 3, 1);
    const dout = product({ a: view(mixed, [dheads.shape[0]!, H * K]), b: matrix(dy) }, onLeft);
    const biases = biased ? tf.split(columnSums({ x: dheads }), 3) : [];
    return [
      ...weights.map((w) => view(w, query.shape)),
      view(dout, out.shape),
      ...biases.map((bias) => view(bias, [H, K])),
      view(product({ a: dheads, b: joinedWeights({ query, key, value }) }, onRight), x.shape),
    ];
  },
);
