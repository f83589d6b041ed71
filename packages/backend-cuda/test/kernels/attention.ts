// Causal attention and its gradients over sizes that tensor cores pad: one token, rows that fill no tile, heads of every width.
import * as tf from "@tensorflow/tfjs";
import type { Operation } from "./cases.ts";
import { floats } from "./draws.ts";
import { attention, packedAttention } from "./named.ts";

/** The same as a product gives it: at precision "bf16" stored so. */
const asProduct = (x: tf.Tensor): tf.Tensor => {
  const K = x.shape.at(-1)!;
  return tf.matMul(x.reshape([-1, K]), tf.eye(K)).reshape(x.shape);
};

const ofProducts =
  (run: (...xs: [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]) => tf.Tensor[]) =>
  (...xs: tf.Tensor[]): tf.Tensor[] =>
    run(...(xs.map(asProduct) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]));

const apart = (P: number, T: number, K: number): Operation => ({
  inputs: Array.from({ length: 4 }, () => floats(P, T, K)),
  run: ofProducts(attention),
});

const packed = (B: number, T: number, H: number, K: number): Operation => ({
  inputs: [floats(B, T, 3, H, K), floats(B, T, H, K)],
  run: ofProducts(packedAttention),
});

/** Fewer than a tile, more than one, whole tiles; widths that are and are not multiples of 16. */
export const attentionOperations: readonly (readonly [name: string, make: () => Operation])[] = [
  ["one token", () => apart(1, 1, 16)],
  ["heads of 8", () => packed(2, 17, 3, 8)],
  ["heads of 40 over several tiles", () => packed(1, 150, 2, 40)],
  ["heads of 64 over a whole tile", () => apart(1, 128, 64)],
  ["heads of 64 over several tiles", () => packed(1, 141, 2, 64)],
  ["heads of 128 over several tiles", () => packed(1, 133, 1, 128)],
  ["heads of 12, which no tensor core takes", () => packed(1, 20, 2, 12)],
];

/** A sequence of many tiles: for a card. */
export const longAttention: (typeof attentionOperations)[number] = ["many tiles", () => packed(1, 700, 2, 64)];
