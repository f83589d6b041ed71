// Every segment once more, in plain tfjs as a textbook has it: what the fast ones are tested against, with gradients
// by `tf.grads`. Not for training. Same parameters, same order.
// B batch, T time, N = B T, D model width, H heads, K width of one head, F hidden width, V vocabulary
import * as tf from "@tensorflow/tfjs";

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
  const causal_TT = tf.linalg
    .bandPart(tf.ones([T, T]), -1, 0)
    .sub(1)
    .mul(1e9);
  const score_BHTT = tf.matMul(q_BHTK, k_BHTK, false, true).div(Math.sqrt(K)).add(causal_TT);
  const mixed_NHK = tf
    .matMul(tf.softmax(score_BHTT), v_BHTK)
    .transpose([0, 2, 1, 3])
    .reshape([B * T, H * K]);
  return mixed_NHK.matMul(out!.reshape([H * K, D])).reshape([B, T, D]);
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

const residual: Naive = ([bias], x, y) => x!.add(y!).add(bias!);

const embedding: Naive = ([tokens, positions], index) => {
  const [V, D] = tokens!.shape as [number, number];
  const [B, T] = index!.shape as [number, number];
  const picked_ND = tf.oneHot(index!.flatten().toInt(), V).toFloat().matMul(tokens!);
  return picked_ND.reshape([B, T, D]).add(positions!.slice([0, 0], [T, D]));
};

const crossEntropy: Naive = (_, logits, target) => {
  const V = logits!.shape.at(-1) as number;
  const hot_NV = tf.oneHot(target!.flatten().toInt(), V).toFloat();
  return tf.logSoftmax(rows(logits!)).mul(hot_NV).sum().neg();
};

export const naive: Readonly<Record<string, Naive>> = {
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
};
