// The same GPT written in stock tfjs, as a competent user would: variables, `tf.variableGrads`, batched matMul with
// transposeB, softmax, moments, tanh gelu, one-hot embedding and loss (wasm has no gradient for `tf.gather`). What
// `npm run bench -- cpu` compares with. Nothing of Orthant is used here.
// B batch, T time, N = B T, D model width, H heads, K width of one head, V vocabulary
import * as tf from "@tensorflow/tfjs";

export interface GptSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly context: number;
  readonly vocab: number;
}

export interface StockGpt {
  readonly parameters: number;
  /** Runs one forward and backward and returns the summed loss; gradients are disposed of. `tokens` and `targets` are `[B, T]`, int32. */
  step(tokens: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar;
  /** Runs one forward and backward and hands out the gradients by variable name. The caller disposes. */
  gradients(tokens: tf.Tensor2D, targets: tf.Tensor2D): { value: tf.Scalar; grads: tf.NamedTensorMap };
  dispose(): void;
}

type Weights = Record<string, tf.Variable>;

const random = (shape: number[]): tf.Variable => tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.02)));
const filled = (size: number, value: number): tf.Variable => tf.tidy(() => tf.variable(tf.fill([size], value)));

function blockWeights(D: number): Weights {
  return {
    gain1: filled(D, 1),
    bias1: filled(D, 0),
    gain2: filled(D, 1),
    bias2: filled(D, 0),
    query: random([D, D]),
    key: random([D, D]),
    value: random([D, D]),
    out: random([D, D]),
    outBias: filled(D, 0),
    up: random([D, 4 * D]),
    upBias: filled(4 * D, 0),
    down: random([4 * D, D]),
    downBias: filled(D, 0),
  };
}

function layerNorm(x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(gain).add(bias);
}

const gelu = (x: tf.Tensor): tf.Tensor =>
  x.mul(0.5).mul(
    x
      .mul(x)
      .mul(x)
      .mul(0.044715)
      .add(x)
      .mul(Math.sqrt(2 / Math.PI))
      .tanh()
      .add(1),
  );

const dense = (x_ND: tf.Tensor, w: tf.Tensor, bias: tf.Tensor): tf.Tensor => tf.matMul(x_ND, w).add(bias);

function attention(x_ND: tf.Tensor, w: Weights, mask_TT: tf.Tensor, B: number, H: number): tf.Tensor {
  const [T, D] = [mask_TT.shape[0]!, x_ND.shape[1]!];
  const K = D / H;
  const heads = (name: string): tf.Tensor => tf.matMul(x_ND, w[name]!).reshape([B, T, H, K]).transpose([0, 2, 1, 3]);
  const score_BHTT = tf
    .matMul(heads("query"), heads("key"), false, true)
    .mul(1 / Math.sqrt(K))
    .add(mask_TT);
  const mixed = tf
    .matMul(tf.softmax(score_BHTT), heads("value"))
    .transpose([0, 2, 1, 3])
    .reshape([B * T, D]);
  return dense(mixed, w.out!, w.outBias!);
}

function block(x_ND: tf.Tensor, w: Weights, mask_TT: tf.Tensor, B: number, H: number): tf.Tensor {
  const h = x_ND.add(attention(layerNorm(x_ND, w.gain1!, w.bias1!), w, mask_TT, B, H));
  const hidden = gelu(dense(layerNorm(h, w.gain2!, w.bias2!), w.up!, w.upBias!));
  return h.add(dense(hidden, w.down!, w.downBias!));
}

const hot = (index: tf.Tensor, V: number): tf.Tensor2D =>
  tf.oneHot(index.flatten() as tf.Tensor1D, V).toFloat() as tf.Tensor2D;

/** Makes a GPT with variables of its own, on the current backend. */
export function stockGpt({ layers, width: D, heads: H, context, vocab: V }: GptSizes): StockGpt {
  const outer: Weights = {
    tokens: random([V, D]),
    positions: random([context, D]),
    gain: filled(D, 1),
    bias: filled(D, 0),
    head: random([D, V]),
  };
  const blocks = Array.from({ length: layers }, () => blockWeights(D));
  const all = [outer, ...blocks].flatMap((w) => Object.values(w));
  const mask_TT = tf.tidy(() =>
    tf.linalg
      .bandPart(tf.ones([context, context]), -1, 0)
      .sub(1)
      .mul(1e9),
  );

  const loss = (tokens: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar => {
    const [B, T] = tokens.shape;
    const embedded = tf
      .matMul(hot(tokens, V), outer.tokens!)
      .reshape([B, T, D])
      .add(outer.positions!.slice([0, 0], [T, D]));
    const mask = mask_TT.slice([0, 0], [T, T]);
    const x_ND = blocks.reduce((x, w) => block(x, w, mask, B, H), embedded.reshape([B * T, D]));
    const logits_NV = tf.matMul(layerNorm(x_ND, outer.gain!, outer.bias!), outer.head!);
    return tf.logSoftmax(logits_NV).mul(hot(targets, V)).sum().neg().asScalar();
  };
  const gradients: StockGpt["gradients"] = (tokens, targets) => tf.variableGrads(() => loss(tokens, targets), all);
  return {
    parameters: all.reduce((n, w) => n + w.size, 0),
    gradients,
    step(tokens, targets) {
      const { value, grads } = gradients(tokens, targets);
      tf.dispose(grads);
      return value;
    },
    dispose: () => tf.dispose([...all, mask_TT]),
  };
}
