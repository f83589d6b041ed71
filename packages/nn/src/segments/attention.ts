// Causal self-attention over the heads held here, without the output bias and the residual: the output is this
// rank's partial sum (Vaswani et al. 2017; heads cut as in Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, H heads held here, K width of one head, C = 3 H K: queries, keys, values of all heads

import { differentiable, kernels, type Segment, type Shape, segment, view } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { multiply, rows } from "./matrices.ts";

const { columnSums, headGradients, joinedWeights, selfAttention, selfAttentionGrad } = kernels;

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

const scale = ({ K }: Sizes) => ({ scale: 1 / Math.sqrt(K) });

/** One gradient a parameter, then that of x. */
function backward(
  dy_BTD: tf.Tensor,
  [x, query, key, value, out, , , mixed]: readonly tf.Tensor[],
  dheads_NC: tf.Tensor,
  { B, T, D, H, K }: Sizes,
  { biased, once }: { biased: boolean; once: (make: () => tf.Tensor[]) => () => tf.Tensor[] },
): (() => tf.Tensor)[] {
  const weights = once(() => tf.split(multiply(rows(x!), dheads_NC, true), 3, 1));
  const biases = once(() => tf.split(columnSums({ x: dheads_NC }), 3));
  const parts = [0, 1, 2];
  const joined = () => joinedWeights({ query: query!, key: key!, value: value! });
  return [
    ...parts.map((i) => () => view(weights()[i]!, [D, H, K])),
    () => view(multiply(view(mixed!, [B * T, H * K]), rows(dy_BTD), true), out!.shape),
    ...(biased ? parts : []).map((i) => () => view(biases()[i]!, [H, K])),
    () => view(multiply(dheads_NC, joined(), false, true), x!.shape),
  ];
}

/** What was saved, by name. */
const named = ([x, query, key, value, out, qkv, kept, mixed]: readonly tf.Tensor[]) =>
  ({ x, query, key, value, out, qkv, kept, mixed }) as Omit<kernels.SelfAttentionGradInputs, "dy">;

/** Parameters query, key, value, out, then the biases of the first three or none. Keeps q, k, v, probabilities and what they mix. */
function run(params: readonly tf.Tensor[], x: tf.Tensor): tf.Tensor {
  const [query, key, value, out] = params as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const [queryBias, keyBias, valueBias] = params.slice(4);
  const at = sizesOf(query.shape, x.shape);
  const biased = valueBias !== undefined;
  return differentiable({
    inputs: [...params, x],
    forward: (save) => {
      const inputs = { x, query, key, value, out, queryBias, keyBias, valueBias };
      const [y, ...kept] = selfAttention(inputs, scale(at));
      save([x, query, key, value, out, ...kept]);
      return y;
    },
    shared: (dy, saved) => [headGradients({ dy, ...named(saved) }, scale(at))],
    backward: (dy, saved, [dheads_NC], once) => backward(dy, saved, dheads_NC!, at, { biased, once }),
    together: (dy, saved) => selfAttentionGrad({ dy, ...named(saved) }, { ...scale(at), biased }),
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
