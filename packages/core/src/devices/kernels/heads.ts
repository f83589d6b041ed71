// Causal attention of heads that lie beside each other, as one product of queries, keys and values leaves them: nothing is
// rearranged on a device that reads them where they are.
// B batch, T time, H heads, K width of one head
import * as tf from "@tensorflow/tfjs";
import { attention, attentionGrad, type Scaled } from "./attention.ts";
import { type Kernel, kernel } from "./kernel.ts";

type Sizes = readonly [B: number, T: number, H: number, K: number];

const sizes = (qkv: tf.Tensor): Sizes => {
  const [B, T, , H, K] = qkv.shape as [number, number, number, number, number];
  return [B, T, H, K];
};

/** q, k and v, each `[B H, T, K]`. */
function apart(qkv: tf.Tensor): readonly [q: tf.Tensor, k: tf.Tensor, v: tf.Tensor] {
  const [B, T, H, K] = sizes(qkv);
  const turned = tf.transpose(qkv, [2, 0, 3, 1, 4]).reshape([3, B * H, T, K]);
  return tf.unstack(turned) as [tf.Tensor, tf.Tensor, tf.Tensor];
}

/** `[B, T, H, K] -> [B H, T, K]`. */
const toHeads = (x: tf.Tensor, [B, T, H, K]: Sizes): tf.Tensor => tf.transpose(x, [0, 2, 1, 3]).reshape([B * H, T, K]);

/** `[B H, T, K] -> [B, T, H, K]`. */
const fromHeads = (x: tf.Tensor, [B, T, H, K]: Sizes): tf.Tensor => tf.transpose(x.reshape([B, H, T, K]), [0, 2, 1, 3]);

/** `attention` of qkv `[B, T, 3, H, K]`: -> `[B, T, H, K]`, and what the gradient needs beside qkv. */
export const packedAttention: Kernel<{ qkv: tf.Tensor }, [y: tf.Tensor, kept: tf.Tensor], Scaled> = kernel(
  "orthant.packedAttention",
  ({ qkv }, scaled) => {
    const [q, k, v] = apart(qkv);
    const [y, kept] = attention({ q, k, v }, scaled);
    return [fromHeads(y, sizes(qkv)), kept];
  },
);

export interface PackedAttentionGradInputs {
  readonly dy: tf.Tensor;
  readonly qkv: tf.Tensor;
  readonly kept: tf.Tensor;
}

/** Gradient of `packedAttention`: dy `[B, T, H, K]` -> that by qkv, `[B, T, 3, H, K]`. */
export const packedAttentionGrad: Kernel<PackedAttentionGradInputs, tf.Tensor, Scaled> = kernel(
  "orthant.packedAttentionGrad",
  ({ dy, qkv, kept }, scaled) => {
    const [q, k, v] = apart(qkv);
    const at = sizes(qkv);
    const gradients = attentionGrad({ dy: toHeads(dy, at), q, k, v, kept }, scaled);
    return tf.stack(
      gradients.map((each) => fromHeads(each, at)),
      2,
    );
  },
);
