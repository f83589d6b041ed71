// Causal self-attention over the heads held here, without the output bias and the residual: the output is this
// rank's partial sum (Vaswani et al. 2017; heads cut as in Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, H heads held here, K width of one head, P = B H

import { type Segment, type Shape, segment } from "@orthant/core";
import {
  causalSoftmax,
  causalSoftmaxGradient,
  columnSums,
  differentiable,
  product,
  products,
  rows,
  transposed,
} from "@orthant/core/internal";
import * as tf from "@tensorflow/tfjs";

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

const scale = ({ K }: Sizes): number => 1 / Math.sqrt(K);

/** Probabilities, and the values mixed by them. */
function mix([q_PTK, k_PTK, v_PTK]: readonly tf.Tensor[], at: Sizes): { p_PTT: tf.Tensor; mixed_PTK: tf.Tensor } {
  const p_PTT = causalSoftmax(products(q_PTK!, transposed(k_PTK!)), scale(at));
  return { p_PTT, mixed_PTK: products(p_PTT, v_PTK!) };
}

/** Gradients by q, k and v, from that of what `mix` mixed. */
function mixGradients(dmixed_PTK: tf.Tensor, p_PTT: tf.Tensor, heads: readonly tf.Tensor[], at: Sizes): tf.Tensor[] {
  const [q_PTK, k_PTK, v_PTK] = heads;
  const dp_PTT = products(dmixed_PTK, transposed(v_PTK!));
  const dscore_PTT = causalSoftmaxGradient(p_PTT, dp_PTT, scale(at));
  return [
    products(dscore_PTT, k_PTK!),
    products(transposed(dscore_PTT), q_PTK!),
    products(transposed(p_PTT), dmixed_PTK),
  ];
}

/** Gradients by x, and by the weights and biases of q, k and v, in the order of the parameters. */
function projectionGradients(x_ND: tf.Tensor, weights: readonly tf.Tensor[], dheads: readonly tf.Tensor[], at: Sizes) {
  const x_DN = transposed(x_ND);
  const dys = dheads.map((dhead) => fromHeads(dhead, at));
  return {
    dx: tf.addN(dys.map((dy, i) => product(dy, transposed(matrix(weights[i]!, at))))),
    dweights: dys.map((dy) => product(x_DN, dy).reshape([at.D, at.H, at.K])),
    dbiases: dys.map((dy) => columnSums(dy).reshape([at.H, at.K])),
  };
}

function backward(dy_BTD: tf.Tensor, saved: readonly tf.Tensor[], at: Sizes, biased: boolean): tf.Tensor[] {
  const [x_BTD, query, key, value, out, q, k, v, p_PTT, mixed_NHK] = saved;
  const [x_ND, dy_ND] = [rows(x_BTD!), rows(dy_BTD)];
  const wide = at.H * at.K;
  const dout = product(transposed(mixed_NHK!), dy_ND).reshape(out!.shape);
  const dmixed_PTK = toHeads(product(dy_ND, transposed(out!.reshape([wide, at.D]))), at);
  const dheads = mixGradients(dmixed_PTK, p_PTT!, [q!, k!, v!], at);
  const { dx, dweights, dbiases } = projectionGradients(x_ND, [query!, key!, value!], dheads, at);
  return [...dweights, dout, ...(biased ? dbiases : []), dx.reshape(x_BTD!.shape)];
}

/** Parameters query, key, value, out, then the biases of the first three or none. Keeps q, k, v, p and what they mix. */
function run(params: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const [query, key, value, out, ...biases] = params;
  const at = sizesOf(query!.shape, x_BTD.shape);
  const wide = at.H * at.K;
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const project = (w: tf.Tensor, i: number): tf.Tensor =>
        toHeads(product(rows(x_BTD), matrix(w, at), biases[i]?.reshape([wide])), at);
      const heads = [query!, key!, value!].map(project);
      const { p_PTT, mixed_PTK } = mix(heads, at);
      const mixed_NHK = fromHeads(mixed_PTK, at);
      save([x_BTD, query!, key!, value!, out!, ...heads, p_PTT, mixed_NHK]);
      return product(mixed_NHK, out!.reshape([wide, at.D])).reshape(x_BTD.shape);
    },
    backward: (dy_BTD, saved) => backward(dy_BTD, saved, at, biases.length > 0),
  });
}

function shape([query]: readonly Shape[], x: Shape = []) {
  const { B, T, D, H, K } = sizesOf(query as Shape, x);
  const scores = B * H * T * T;
  return { shape: x, flops: 8 * B * T * D * H * K + 4 * scores * K, kept: 4 * B * T * H * K + scores };
}

const weights = ["query", "key", "value", "out"];

/** `x [B, T, D] -> [B, T, D]`, to be summed over ranks. Weights `[D, H, K]` and `[H, K, D]`, biases `[H, K]`. */
export const attention: Segment<"R", "P"> = segment({
  name: "attention",
  params: [...weights, "queryBias", "keyBias", "valueBias"],
  run: (params, x) => run(params, x!),
  shape,
});

/** `attention` without biases. */
export const attentionWithoutBias: Segment<"R", "P"> = segment({ ...attention, params: weights });
