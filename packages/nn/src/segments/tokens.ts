// Tokens to vectors by a table's rows, and vectors to logits by the same table: a model that ties the two (Press and Wolf 2017) has
// one parameter for both. Positions are elsewhere.
// B batch, T time, V vocabulary, D model width

import { differentiable, type Everywhere, elements, kernels, type Segment, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { pickRows, sumIntoRows } = kernels;

function pick(tokens_VD: tf.Tensor, index_BT: tf.Tensor): tf.Tensor {
  const [V, D] = tokens_VD.shape as [number, number];
  return differentiable({
    inputs: [tokens_VD],
    forward: (save) => {
      save([index_BT]);
      return pickRows({ table: tokens_VD, index: index_BT.flatten() }).reshape([...index_BT.shape, D]);
    },
    backward: (dy_BTD, [index]) => [() => sumIntoRows({ x: rows(dy_BTD), index: index!.flatten() }, { rows: V })],
  });
}

/** `index [B, T]` (int32) -> `tokens[index]`, `[B, T, D]`. Parameter tokens `[V, D]`. */
export const tokenEmbedding: Segment<Everywhere, Everywhere> = segment({
  name: "tokenEmbedding",
  params: ["tokens"],
  reads: [false, true],
  run: ([tokens], index) => pick(tokens!, index!),
  shape: ([tokens = []], index = []) => ({ shape: [...index, tokens[1]!], flops: 0, kept: 0 }),
});

function score(tokens_VD: tf.Tensor, x_BTD: tf.Tensor): tf.Tensor {
  return differentiable({
    inputs: [tokens_VD, x_BTD],
    forward: (save) => {
      save([tokens_VD, x_BTD]);
      return tf.matMul(rows(x_BTD), tokens_VD, false, true).reshape([...x_BTD.shape.slice(0, -1), tokens_VD.shape[0]!]);
    },
    backward: (dy_BTV, [tokens, x]) => [
      () => tf.matMul(rows(dy_BTV), rows(x!), true),
      () => tf.matMul(rows(dy_BTV), tokens!).reshape(x!.shape),
    ],
  });
}

/** `x [.., D] -> [.., V]`, the product with every row of the table. Parameter tokens `[V, D]`. */
export const unembedding: Segment<Everywhere, Everywhere> = segment({
  name: "unembedding",
  params: ["tokens"],
  run: ([tokens], x) => score(tokens!, x!),
  shape: ([tokens = []], x = []) => {
    const V = tokens[0]!;
    return { shape: [...x.slice(0, -1), V], flops: 2 * elements(x) * V, kept: 0 };
  },
});
