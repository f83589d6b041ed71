// Token and position embedding (GPT-2). Indices carry no gradient.
// B batch, T time, N = B T, V vocabulary, C longest sequence (context), D model width

import { differentiable, type Everywhere, elements, kernels, type Segment, segment, view } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { pickRows, sumIntoRows } = kernels;

/** 0, 1 .. T - 1 for every sequence. */
const places = (B: number, T: number): tf.Tensor => tf.tile(tf.range(0, T, 1, "int32"), [B]);

function run(tokens_VD: tf.Tensor, positions_CD: tf.Tensor, index_BT: tf.Tensor): tf.Tensor {
  const [B, T] = index_BT.shape as [number, number];
  const [V, D] = tokens_VD.shape as [number, number];
  const C = positions_CD.shape[0]!;
  if (T > C)
    throw new RangeError(`a sequence of ${T} tokens, but positions for ${C}: shorten it, or raise the context`);
  return differentiable({
    inputs: [tokens_VD, positions_CD],
    forward: (save) => {
      save([index_BT]);
      const token_ND = pickRows({ table: tokens_VD, index: index_BT.flatten() });
      return view(token_ND.add(pickRows({ table: positions_CD, index: places(B, T) })), [B, T, D]);
    },
    backward: (dy_BTD, [index]) => [
      () => sumIntoRows({ x: rows(dy_BTD), index: index!.flatten() }, { rows: V }),
      () => sumIntoRows({ x: rows(dy_BTD), index: places(B, T) }, { rows: C }),
    ],
  });
}

/** `index [B, T]` (int32) -> `tokens[index] + positions[t]`, `[B, T, D]`. Tokens `[V, D]`, positions `[C, D]`, T <= C. */
export const embedding: Segment<Everywhere, Everywhere> = segment({
  name: "embedding",
  params: ["tokens", "positions"],
  reads: [false, false, true],
  run: ([tokens, positions], index) => run(tokens!, positions!, index!),
  shape: ([tokens = []], index = []) => {
    const out = [...index, tokens[1]!];
    return { shape: out, flops: elements(out), kept: 0 };
  },
});
