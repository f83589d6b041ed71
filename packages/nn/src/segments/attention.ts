// Causal self-attention over the heads held here, without the output bias and the residual: the output is this
// rank's partial sum (Vaswani et al. 2017; heads cut as in Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, H heads held here, K width of one head, C = 3 H K: queries, keys, values of all heads

import { differentiable, kernels, type Segment, type Shape, segment, view } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { affine, rows } from "./matrices.ts";

const { columnSums, joinColumns, packedAttention, packedAttentionGrad } = kernels;

interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly D: number;
  readonly H: number;
  readonly K: number;
}

function sizesOf(query: Shape, x: Shape): Sizes {
  const [D, H, K] = query as [number, number, number];
  const [B, T] = x as [number, number];
  return { B, T, D, H, K };
}

/** The weights of q, k and v side by side, `[D, 3 H K]`. */
const joined = (weights_DHK: readonly tf.Tensor[], { D, H, K }: Sizes): tf.Tensor =>
  joinColumns(weights_DHK.map((w) => view(w, [D, H * K])));

/** Their biases in a row, `[3 H K]`. */
const rowOf = (biases_HK: readonly tf.Tensor[]): tf.Tensor | undefined =>
  biases_HK.length ? tf.concat(biases_HK.map((bias) => bias.flatten())) : undefined;

const scale = ({ K }: Sizes) => ({ scale: 1 / Math.sqrt(K) });

/** Gradient by what the weights of q, k and v give, as rows `[N, 3 H K]`: what all other gradients but that of `out` start from. */
function headGradients(dy_BTD: tf.Tensor, [, , , , out, qkv, kept]: readonly tf.Tensor[], at: Sizes): tf.Tensor[] {
  const { B, T, D, H, K } = at;
  const dmixed_NC = tf.matMul(rows(dy_BTD), view(out!, [H * K, D]), false, true);
  const inputs = { dy: view(dmixed_NC, [B, T, H, K]), qkv: qkv!, kept: kept! };
  return [view(packedAttentionGrad(inputs, scale(at)), [B * T, 3 * H * K])];
}

/** One gradient a parameter, then that of x. */
function backward(
  dy_BTD: tf.Tensor,
  [x, query, key, value, out, , , mixed]: readonly tf.Tensor[],
  dheads_NC: tf.Tensor,
  at: Sizes,
  { biased, once }: { biased: boolean; once: (make: () => tf.Tensor[]) => () => tf.Tensor[] },
): (() => tf.Tensor)[] {
  const { B, T, D, H, K } = at;
  const weights = once(() => tf.split(tf.matMul(rows(x!), dheads_NC, true), 3, 1));
  const biases = once(() => tf.split(columnSums({ x: dheads_NC }), 3));
  const parts = [0, 1, 2];
  return [
    ...parts.map((i) => () => view(weights()[i]!, [D, H, K])),
    () => view(tf.matMul(view(mixed!, [B * T, H * K]), rows(dy_BTD), true), out!.shape),
    ...(biased ? parts : []).map((i) => () => view(biases()[i]!, [H, K])),
    () => view(tf.matMul(dheads_NC, joined([query!, key!, value!], at), false, true), x!.shape),
  ];
}

/** Parameters query, key, value, out, then the biases of the first three or none. Keeps q, k, v, probabilities and what they mix. */
function run(params: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const [query, key, value, out, ...biases] = params;
  const at = sizesOf(query!.shape, x_BTD.shape);
  const { B, T, D, H, K } = at;
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const qkv_NC = affine(rows(x_BTD), joined([query!, key!, value!], at), rowOf(biases));
      const qkv = view(qkv_NC, [B, T, 3, H, K]);
      const [mixed_BTHK, kept] = packedAttention({ qkv }, scale(at));
      save([x_BTD, query!, key!, value!, out!, qkv, kept, mixed_BTHK]);
      return view(tf.matMul(view(mixed_BTHK, [B * T, H * K]), view(out!, [H * K, D])), x_BTD.shape);
    },
    shared: (dy_BTD, saved) => headGradients(dy_BTD, saved, at),
    backward: (dy_BTD, saved, [dheads_NC], once) =>
      backward(dy_BTD, saved, dheads_NC!, at, { biased: biases.length > 0, once }),
  });
}

function shape([query]: readonly Shape[], x: Shape = []) {
  const { B, T, D, H, K } = sizesOf(query as Shape, x);
  const scores = B * H * T * T;
  return { shape: x, flops: 8 * B * T * D * H * K + 4 * scores * K, kept: 4 * B * T * H * K + scores };
}

const weights = ["query", "key", "value", "out"];

/** `x [B, T, D] -> [B, T, D]`, to be summed over ranks. Weights `[D, H, K]` and `[H, K, D]`, biases `[H, K]`. */
export const attention: Segment<{ tp: "R" }, { tp: "P" }> = segment({
  name: "attention",
  from: { tp: "R" },
  to: { tp: "P" },
  params: [...weights, "queryBias", "keyBias", "valueBias"],
  run: (params, x) => run(params, x!),
  shape,
});

/** `attention` without biases. */
export const attentionWithoutBias: Segment<{ tp: "R" }, { tp: "P" }> = segment({ ...attention, params: weights });
