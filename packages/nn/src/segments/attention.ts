// Causal self-attention over the heads held here, without the output bias and the residual: the output is this
// rank's partial sum (Vaswani et al. 2017; heads cut as in Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, H heads held here, K width of one head, P = B H

import { differentiable, kernels, type Segment, type Shape, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { affine, rows } from "./matrices.ts";

const { attention: attend, attentionGrad, columnSums } = kernels;

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

const toHeads = (x_NHK: tf.Tensor, { B, T, H, K }: Sizes): tf.Tensor =>
  tf.transpose(x_NHK.reshape([B, T, H, K]), [0, 2, 1, 3]).reshape([B * H, T, K]);

const fromHeads = (x_PTK: tf.Tensor, { B, T, H, K }: Sizes): tf.Tensor =>
  tf.transpose(x_PTK.reshape([B, H, T, K]), [0, 2, 1, 3]).reshape([B * T, H * K]);

const matrix = (w_DHK: tf.Tensor, { D, H, K }: Sizes): tf.Tensor => w_DHK.reshape([D, H * K]);

const scale = ({ K }: Sizes) => ({ scale: 1 / Math.sqrt(K) });

/** Gradients by what the weights of q, k and v give, as rows `[N, H K]`: what all other gradients but that of `out` start from. */
function headGradients(dy_BTD: tf.Tensor, saved: readonly tf.Tensor[], at: Sizes): tf.Tensor[] {
  const [, , , , out, q, k, v, kept] = saved;
  const dmixed_NHK = tf.matMul(rows(dy_BTD), out!.reshape([at.H * at.K, at.D]), false, true);
  const inputs = { dy: toHeads(dmixed_NHK, at), q: q!, k: k!, v: v!, kept: kept! };
  return attentionGrad(inputs, scale(at)).map((dhead) => fromHeads(dhead, at));
}

/** One gradient a parameter, then that of x. */
function backward(
  dy_BTD: tf.Tensor,
  [x, query, key, value, out, , , , , mixed_NHK]: readonly tf.Tensor[],
  dheads_NHK: readonly tf.Tensor[],
  at: Sizes,
  biased: boolean,
): (() => tf.Tensor)[] {
  const weights = [query!, key!, value!];
  return [
    ...dheads_NHK.map((dhead) => () => tf.matMul(rows(x!), dhead, true).reshape([at.D, at.H, at.K])),
    () => tf.matMul(mixed_NHK!, rows(dy_BTD), true).reshape(out!.shape),
    ...(biased ? dheads_NHK : []).map((dhead) => () => columnSums({ x: dhead }).reshape([at.H, at.K])),
    () =>
      tf.addN(dheads_NHK.map((dhead, i) => tf.matMul(dhead, matrix(weights[i]!, at), false, true))).reshape(x!.shape),
  ];
}

/** Parameters query, key, value, out, then the biases of the first three or none. Keeps q, k, v, probabilities and what they mix. */
function run(params: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const [query, key, value, out, ...biases] = params;
  const at = sizesOf(query!.shape, x_BTD.shape);
  const wide = at.H * at.K;
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const project = (w: tf.Tensor, i: number): tf.Tensor =>
        toHeads(affine(rows(x_BTD), matrix(w, at), biases[i]?.reshape([wide])), at);
      const [q, k, v] = [query!, key!, value!].map(project) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const [mixed_PTK, kept] = attend({ q, k, v }, scale(at));
      const mixed_NHK = fromHeads(mixed_PTK, at);
      save([x_BTD, query!, key!, value!, out!, q, k, v, kept, mixed_NHK]);
      return tf.matMul(mixed_NHK, out!.reshape([wide, at.D])).reshape(x_BTD.shape);
    },
    shared: (dy_BTD, saved) => headGradients(dy_BTD, saved, at),
    backward: (dy_BTD, saved, dheads_NHK) => backward(dy_BTD, saved, dheads_NHK, at, biases.length > 0),
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
