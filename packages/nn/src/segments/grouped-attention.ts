// Causal self-attention as in Llama: several query heads read one head of keys and values (Ainslie et al.: GQA, 2023), and
// queries and keys are turned by their position (Su et al. 2021). No biases. The output is this rank's partial sum, heads cut in
// whole groups (Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, H query heads held here, G key and value heads held here, K width of one head

import { differentiable, kernels, type Segment, type Shape, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";
import { frequenciesOf, type Rotary } from "./rotary.ts";

const { attention: attend, attentionGrad, rotary: turn } = kernels;

interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly D: number;
  readonly H: number;
  readonly G: number;
  readonly K: number;
}

function sizesOf(query: Shape, key: Shape, x: Shape): Sizes {
  const [D, H, K] = query as [number, number, number];
  const [B, T] = x as [number, number];
  return { B, T, D, H, G: key[1]!, K };
}

/** Weights `[D, heads, K]` as a matrix. */
const matrix = (w: tf.Tensor): tf.Tensor => w.reshape([w.shape[0]!, -1]);

/** `[N, heads K] -> [B heads, T, K]`. */
const toHeads = (x: tf.Tensor, { B, T, K }: Sizes): tf.Tensor =>
  tf.transpose(x.reshape([B, T, -1, K]), [0, 2, 1, 3]).reshape([-1, T, K]);

/** `[B heads, T, K] -> [N, heads K]`. */
const fromHeads = (x: tf.Tensor, { B, T, K }: Sizes): tf.Tensor =>
  tf.transpose(x.reshape([B, -1, T, K]), [0, 2, 1, 3]).reshape([B * T, -1]);

/** Every key or value head once for each query head that reads it: `[B G, T, K] -> [B H, T, K]`. On wasm `tf.tile` takes 300 times longer. */
function spread(x: tf.Tensor, { B, T, H, G, K }: Sizes): tf.Tensor {
  const once = x.reshape([B * G, 1, T * K]);
  return tf.concat(Array<tf.Tensor>(H / G).fill(once), 1).reshape([B * H, T, K]);
}

/** The way back of `spread`: a head's gradients summed. */
const gathered = (dx: tf.Tensor, { B, T, H, G, K }: Sizes): tf.Tensor =>
  dx
    .reshape([B * G, H / G, T * K])
    .sum(1)
    .reshape([B * G, T, K]);

/** Gradients by what the weights of q, k and v give, as rows: what all other gradients but that of `out` start from. */
function headGradients(dy_BTD: tf.Tensor, saved: readonly tf.Tensor[], at: Sizes, frequencies: number[]): tf.Tensor[] {
  const [, , , , out, q, k, v, kept] = saved;
  const dmixed = tf.matMul(rows(dy_BTD), out!.reshape([-1, at.D]), false, true);
  const inputs = { dy: toHeads(dmixed, at), q: q!, k: spread(k!, at), v: spread(v!, at), kept: kept! };
  const [dq, dk, dv] = attentionGrad(inputs, { scale: 1 / Math.sqrt(at.K) });
  const unturned = (x: tf.Tensor) => turn({ x }, { frequencies, back: true });
  return [unturned(dq), unturned(gathered(dk, at)), gathered(dv, at)].map((dhead) => fromHeads(dhead, at));
}

/** One gradient a parameter, then that of x. */
function backward(
  dy_BTD: tf.Tensor,
  [x, query, key, value, out, , , , , mixed]: readonly tf.Tensor[],
  dheads: readonly tf.Tensor[],
): (() => tf.Tensor)[] {
  const weights = [query!, key!, value!];
  return [
    ...weights.map((w, i) => () => tf.matMul(rows(x!), dheads[i]!, true).reshape(w.shape)),
    () => tf.matMul(mixed!, rows(dy_BTD), true).reshape(out!.shape),
    () => tf.addN(weights.map((w, i) => tf.matMul(dheads[i]!, matrix(w), false, true))).reshape(x!.shape),
  ];
}

/** Keeps q, k, v, probabilities and what they mix; keys and values once a group. */
function run(params: readonly tf.Tensor[], x_BTD: tf.Tensor, rotary: Rotary): tf.Tensor {
  const [query, key, value, out] = params as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const at = sizesOf(query.shape, key.shape, x_BTD.shape);
  const frequencies = frequenciesOf(at.K, rotary);
  return differentiable({
    inputs: [...params, x_BTD],
    forward: (save) => {
      const heads = [query, key, value].map((w) => toHeads(tf.matMul(rows(x_BTD), matrix(w)), at));
      const [q, k] = heads.map((x) => turn({ x }, { frequencies, back: false })) as [tf.Tensor, tf.Tensor];
      const v = heads[2]!;
      const [mixed, kept] = attend({ q, k: spread(k, at), v: spread(v, at) }, { scale: 1 / Math.sqrt(at.K) });
      const mixed_N = fromHeads(mixed, at);
      save([x_BTD, query, key, value, out, q, k, v, kept, mixed_N]);
      return tf.matMul(mixed_N, out.reshape([-1, at.D])).reshape(x_BTD.shape);
    },
    shared: (dy_BTD, saved) => headGradients(dy_BTD, saved, at, frequencies),
    backward: (dy_BTD, saved, dheads) => backward(dy_BTD, saved, dheads),
  });
}

function shape([query = [], key = []]: readonly Shape[], x: Shape = []) {
  const { B, T, D, H, G, K } = sizesOf(query, key, x);
  const scores = B * H * T * T;
  return { shape: x, flops: 4 * B * T * D * (H + G) * K + 4 * scores * K, kept: 2 * B * T * (H + G) * K + scores };
}

/**
 * `x [B, T, D] -> [B, T, D]`, to be summed over ranks. Weights query `[D, H, K]`, key and value `[D, G, K]`, out `[H, K, D]`: query
 * head h reads key head `floor(h G / H)`. G divides H; K is even.
 */
export const groupedAttention = (rotary: Rotary): Segment<{ tp: "R" }, { tp: "P" }> =>
  segment({
    name: "groupedAttention",
    from: { tp: "R" },
    to: { tp: "P" },
    params: ["query", "key", "value", "out"],
    run: (params, x) => run(params, x!, rotary),
    shape,
  });
