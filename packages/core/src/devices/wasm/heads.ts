// Attention whose queries, keys and values lie in one tensor, on the wasm heap: heads are moved by loops, where tfjs's transpose of five
// dims takes fifty times as long as its products.
// B batch, T time, H heads, K width of a head; S tensors side by side, of which s is one
import * as tf from "@tensorflow/tfjs";
import type { Scaled } from "../kernels/attention.ts";
import { attention, attentionGrad } from "../kernels/attention.ts";
import type { PackedAttentionGradInputs } from "../kernels/heads.ts";
import { allocate, floats } from "./heap.ts";

interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly K: number;
}

/** Moves rows of a head between `[B, T, S, H, K]` and `[B H, T, K]`. */
function move(packed: Float32Array, heads: Float32Array, s: number, S: number, { B, T, H, K }: Sizes, out: boolean) {
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let h = 0; h < H; h++) {
        const [at, row] = [(((b * T + t) * S + s) * H + h) * K, ((b * H + h) * T + t) * K];
        if (out) for (let k = 0; k < K; k++) heads[row + k] = packed[at + k]!;
        else for (let k = 0; k < K; k++) packed[at + k] = heads[row + k]!;
      }
}

/** S tensors `[B H, T, K]` of one `[B, T, S, H, K]`. */
function apart(packed: tf.Tensor, S: number, at: Sizes): tf.Tensor[] {
  const heads = Array.from({ length: S }, () => allocate([at.B * at.H, at.T, at.K]));
  for (const [s, each] of heads.entries()) move(floats(packed), floats(each), s, S, at, true);
  return heads;
}

function together(heads: readonly tf.Tensor[], shape: readonly number[], at: Sizes): tf.Tensor {
  const packed = allocate(shape);
  for (const [s, each] of heads.entries()) move(floats(packed), floats(each), s, heads.length, at, false);
  return packed;
}

function sizesOf({ shape }: tf.Tensor): Sizes {
  const [B, T, , H, K] = shape as [number, number, number, number, number];
  return { B, T, H, K };
}

/** See the reference, here and below. */
export const packedAttention = ({ qkv }: { readonly qkv: tf.Tensor }, scaled: Scaled): [tf.Tensor, tf.Tensor] =>
  tf.tidy(() => {
    const at = sizesOf(qkv);
    const [q, k, v] = apart(qkv, 3, at) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [y, kept] = attention({ q, k, v }, scaled);
    return [together([y], [at.B, at.T, at.H, at.K], at), kept];
  });

export const packedAttentionGrad = ({ dy, qkv, kept }: PackedAttentionGradInputs, scaled: Scaled): tf.Tensor =>
  tf.tidy(() => {
    const at = sizesOf(qkv);
    const [q, k, v] = apart(qkv, 3, at) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [slope] = apart(dy, 1, at);
    return together(attentionGrad({ dy: slope!, q, k, v, kept }, scaled), qkv.shape, at);
  });
