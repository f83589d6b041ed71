// Every segment once more, in plain tfjs as a textbook has it: what the fast ones are tested against, with gradients
// by `tf.grads`. Not for training. Same parameters, same order.
// B batch, T time, N = B T, D model width, H heads, K width of one head, F hidden width, V vocabulary
import * as tf from "@tensorflow/tfjs";
import { frequenciesOf, type Rotary } from "./rotary.ts";

type Naive = (params: readonly tf.Tensor[], ...xs: readonly tf.Tensor[]) => tf.Tensor;

const rows = (x: tf.Tensor): tf.Tensor2D => x.reshape([-1, x.shape.at(-1)!]);

const linear: Naive = ([w, bias], x) => {
  const y = rows(x!).matMul(w!);
  return (bias ? y.add(bias) : y).reshape([...x!.shape.slice(0, -1), w!.shape[1]!]);
};

const layerNorm: Naive = ([gain, bias], x) => {
  const { mean, variance } = tf.moments(x!, -1, true);
  return x!.sub(mean).div(variance.add(1e-5).sqrt()).mul(gain!).add(bias!);
};

const rmsNorm: Naive = ([gain], x) => x!.div(x!.square().mean(-1, true).add(1e-5).sqrt()).mul(gain!);

/** Softmax along rows of `[.., T, T]`, where row t sees columns 0 .. t. */
const softmaxBelow = (score: tf.Tensor, T: number): tf.Tensor =>
  tf.softmax(
    score.add(
      tf.linalg
        .bandPart(tf.ones([T, T]), -1, 0)
        .sub(1)
        .mul(1e9),
    ),
  );

const attention: Naive = ([query, key, value, out, ...biases], x_BTD) => {
  const [B, T, D] = x_BTD!.shape as [number, number, number];
  const [, H, K] = query!.shape as [number, number, number];
  const heads = (w: tf.Tensor, bias = tf.zeros([H, K])): tf.Tensor =>
    rows(x_BTD!)
      .matMul(w.reshape([D, H * K]))
      .reshape([B, T, H, K])
      .add(bias)
      .transpose([0, 2, 1, 3]);
  const [q_BHTK, k_BHTK, v_BHTK] = [query, key, value].map((w, i) => heads(w!, biases[i])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const score_BHTT = tf.matMul(q_BHTK, k_BHTK, false, true).div(Math.sqrt(K));
  const mixed_NHK = tf
    .matMul(softmaxBelow(score_BHTT, T), v_BHTK)
    .transpose([0, 2, 1, 3])
    .reshape([B * T, H * K]);
  return mixed_NHK.matMul(out!.reshape([H * K, D])).reshape([B, T, D]);
};

/** Pairs (a, b) of every head as complex numbers, times e^(i t frequency): `x [B, heads, T, K]`. */
function turned(x: tf.Tensor, { theta, scaling }: Rotary): tf.Tensor {
  const [T, K] = x.shape.slice(2) as [number, number];
  const angles = Array.from({ length: T }, (_, t) => frequenciesOf(K, { theta, scaling }).map((f) => t * f));
  const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
  const [cos, sin] = [Math.cos, Math.sin].map((f) => tf.tensor2d(angles.map((row) => row.map(f)))) as tf.Tensor[];
  return tf.concat([a.mul(cos!).sub(b.mul(sin!)), a.mul(sin!).add(b.mul(cos!))], 3);
}

/** One head after the other, each with the key and value head of its group. */
export const groupedAttention =
  (rotary: Rotary): Naive =>
  ([query, key, value, out], x_BTD) => {
    const [B, T, D] = x_BTD!.shape as [number, number, number];
    const [, H, K] = query!.shape as [number, number, number];
    const G = key!.shape[1]!;
    const project = (w: tf.Tensor, head: number): tf.Tensor =>
      rows(x_BTD!)
        .matMul(w.slice([0, head, 0], [D, 1, K]).reshape([D, K]))
        .reshape([B, 1, T, K]);
    const heads = Array.from({ length: H }, (_, h) => {
      const g = Math.floor((h * G) / H);
      const score = turned(project(query!, h), rotary).matMul(turned(project(key!, g), rotary), false, true);
      return softmaxBelow(score.div(Math.sqrt(K)), T)
        .matMul(project(value!, g))
        .reshape([B * T, K])
        .matMul(out!.slice([h, 0, 0], [1, K, D]).reshape([K, D]));
    });
    return tf.addN(heads).reshape([B, T, D]);
  };

const gelu = (x: tf.Tensor): tf.Tensor =>
  x.mul(0.5).mul(
    x
      .add(x.pow(3).mul(0.044715))
      .mul(Math.sqrt(2 / Math.PI))
      .tanh()
      .add(1),
  );

const mlp: Naive = ([up, bias, down], x) => gelu(rows(x!).matMul(up!).add(bias!)).matMul(down!).reshape(x!.shape);

const swiglu: Naive = ([gate, up, down], x) => {
  const [g, u] = [rows(x!).matMul(gate!), rows(x!).matMul(up!)];
  return g.div(g.neg().exp().add(1)).mul(u).matMul(down!).reshape(x!.shape);
};

const add: Naive = (_, x, y) => x!.add(y!);

const residual: Naive = ([bias], x, y) => x!.add(y!).add(bias!);

const tokenEmbedding: Naive = ([tokens], index) => {
  const [V, D] = tokens!.shape as [number, number];
  const picked_ND = tf.oneHot(index!.flatten().toInt(), V).toFloat().matMul(tokens!);
  return picked_ND.reshape([...index!.shape, D]);
};

const embedding: Naive = ([tokens, positions], index) =>
  tokenEmbedding([tokens!], index!).add(positions!.slice([0, 0], [index!.shape[1]!, tokens!.shape[1]!]));

const unembedding: Naive = ([tokens], x) =>
  rows(x!)
    .matMul(tokens!.transpose())
    .reshape([...x!.shape.slice(0, -1), tokens!.shape[0]!]);

const crossEntropy: Naive = (_, logits, target) => {
  const V = logits!.shape.at(-1) as number;
  const hot_NV = tf.oneHot(target!.flatten().toInt(), V).toFloat();
  return tf.logSoftmax(rows(logits!)).mul(hot_NV).sum().neg();
};

export const naive: Readonly<Record<string, Naive>> = {
  add,
  attention,
  attentionWithoutBias: attention,
  crossEntropy,
  embedding,
  layerNorm,
  linear,
  linearWithoutBias: linear,
  mlp,
  residual,
  rmsNorm,
  swiglu,
  tokenEmbedding,
  unembedding,
};
