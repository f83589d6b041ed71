// The kernels that segments and optimizers call by name: the device's own where it has one, against the references on cpu. A pair
// whose second takes what the first keeps is one check.
import { kernels } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { type Check, type Named, on } from "./check.ts";
import type { Draw } from "./draw.ts";

type T = tf.Tensor;

const adamw = (draw: Draw): Check => {
  const shape = [draw.size(1, 40), draw.size(1, 40)];
  const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, unbias2: 2, keep: 0.9, scale: 0.5 };
  const [value, grad, m, v] = [
    draw.floats(...shape),
    draw.floats(...shape),
    draw.floats(...shape),
    draw.positive(...shape),
  ];
  return on(
    (value, grad, m, v) => kernels.adamw({ value: value!, grad: grad!, m: m!, v: v! }, step),
    value,
    grad,
    m,
    v,
  );
};

const norm =
  (center: boolean, bias: boolean) =>
  (draw: Draw): Check => {
    const [N, D] = [draw.size(1, 70), draw.size(2, 90)];
    const of = { center, epsilon: 1e-5 };
    const run = (x: T, gain: T, dy: T, row: T): T[] => {
      const [y, stat] = kernels.layerNorm({ x, gain, ...(bias && { bias: row }) }, of);
      return [y, ...kernels.layerNormGrad({ dy, x, stat, gain }, of)];
    };
    return on(run as Check["run"], draw.floats(N, D), draw.floats(D), draw.floats(N, D), draw.floats(D));
  };

const attention =
  (most: number) =>
  (draw: Draw): Check => {
    const shape = [draw.size(1, 4), draw.size(1, most), draw.size(1, 20)];
    const scale = 1 / Math.sqrt(shape[2]!);
    const run = (q: T, k: T, v: T, dy: T): T[] => {
      const [y, kept] = kernels.attention({ q, k, v }, { scale });
      return [y, ...kernels.attentionGrad({ dy, q, k, v, kept }, { scale })];
    };
    return on(run as Check["run"], ...Array.from({ length: 4 }, () => draw.floats(...shape)));
  };

/** The gradient counts below the diagonal, where the probabilities are. */
const causal = (draw: Draw): Check => {
  const T = draw.size(1, 40);
  const [scale, P] = [0.3, draw.size(1, 4)];
  const run = (score: T, dp: T): T[] => {
    const p = kernels.causalSoftmax({ score }, { scale });
    return [p, tf.linalg.bandPart(kernels.causalSoftmaxGrad({ p, dp }, { scale }), -1, 0)];
  };
  return on(run as Check["run"], draw.floats(P, T, T), draw.floats(P, T, T));
};

const loss = (draw: Draw): Check => {
  const [N, V] = [draw.size(1, 40), draw.size(2, 300)];
  const run = (logits: T, target: T, dy: T): T[] => {
    const [sum, lse] = kernels.crossEntropy({ logits, target });
    return [sum, lse, kernels.crossEntropyGrad({ logits, target, lse, dy })];
  };
  return on(run as Check["run"], draw.floats(N, V), draw.indices(V, N), draw.floats());
};

const squares = (draw: Draw): Check => {
  const size = draw.size(20, 5000);
  const range = { from: draw.size(0, 9), to: size - draw.size(0, 9) };
  return on((x) => kernels.sumOfSquares({ x: x! }, range).sum(), draw.floats(size));
};

const rows = (draw: Draw): Check => {
  const [V, D, N] = [draw.size(2, 30), draw.size(1, 30), draw.size(1, 50)];
  const run = (table: T, index: T, x: T): T[] => [
    kernels.pickRows({ table, index }),
    kernels.sumIntoRows({ x, index }, { rows: V }),
  ];
  return on(run as Check["run"], draw.floats(V, D), draw.indices(V, N), draw.floats(N, D));
};

const gelu = (draw: Draw): Check => {
  const shape = [draw.size(1, 9), draw.size(1, 99)];
  const run = (x: T, dy: T): T[] => [kernels.gelu({ x }), ...kernels.geluGrad({ x, dy })];
  return on(run as Check["run"], draw.floats(...shape), draw.floats(...shape));
};

const sums = (draw: Draw): Check => {
  const D = draw.size(1, 60);
  const run = (x: T, row: T): T[] => [kernels.columnSums({ x }), kernels.addRow({ x, row })];
  return on(run as Check["run"], draw.floats(draw.size(1, 200), D), draw.floats(D));
};

const branch = (draw: Draw): Check => {
  const [B, N, D] = [draw.size(1, 4), draw.size(1, 40), draw.size(1, 60)];
  const run = (stream: T, branch: T, row: T): T[] => [
    kernels.addBranch({ stream, branch, row }),
    kernels.addGradient({ seen: stream, dx: branch }),
  ];
  return on(run as Check["run"], draw.floats(B, N, D), draw.floats(B, N, D), draw.floats(D));
};

const packed = (draw: Draw): Check => {
  const [B, T, H, K] = [draw.size(1, 4), draw.size(1, 40), draw.size(1, 4), draw.size(1, 20)];
  const scale = 1 / Math.sqrt(K);
  const run = (qkv: T, dy: T): T[] => {
    const [y, kept] = kernels.packedAttention({ qkv }, { scale });
    return [y, kernels.packedAttentionGrad({ dy, qkv, kept }, { scale })];
  };
  return on(run as Check["run"], draw.floats(B, T, 3, H, K), draw.floats(B, T, H, K));
};

const projected =
  (biased: boolean) =>
  (draw: Draw): Check => {
    const [B, T, D, H, K] = [draw.size(1, 3), draw.size(1, 40), draw.size(1, 30), draw.size(1, 4), draw.size(1, 20)];
    const scale = 1 / Math.sqrt(K);
    const run = (dy: T, x: T, query: T, key: T, value: T, out: T, queryBias: T, keyBias: T, valueBias: T): T[] => {
      const weights = { query, key, value, out };
      const biases = biased ? { queryBias, keyBias, valueBias } : {};
      const [y, qkv, kept, mixed] = kernels.selfAttention({ x, ...weights, ...biases }, { scale });
      return [y, ...kernels.selfAttentionGrad({ dy, x, ...weights, qkv, kept, mixed }, { scale, biased })];
    };
    const three = (...shape: number[]) => [0, 1, 2].map(() => draw.floats(...shape));
    const activations = [draw.floats(B, T, D), draw.floats(B, T, D)];
    return on(run as Check["run"], ...activations, ...three(D, H, K), draw.floats(H, K, D), ...three(H, K));
  };

const perceptron = (draw: Draw): Check => {
  const [N, D, F] = [draw.size(1, 40), draw.size(1, 40), draw.size(1, 90)];
  const run = (x: T, up: T, bias: T, down: T, dy: T): T[] => {
    const [y, kept] = kernels.geluProduct({ x, w: up, bias });
    const [z, whole] = kernels.mlp({ x, up, bias, down });
    const apart = kernels.geluProductGrad({ dy, w: down, kept });
    return [y, ...apart, z, ...kernels.mlpGrad({ dy, x, up, down, kept: whole })];
  };
  const given = [draw.floats(N, D), draw.floats(D, F), draw.floats(F), draw.floats(F, D), draw.floats(N, D)];
  return on(run as Check["run"], ...given);
};

const columns = (draw: Draw): Check => {
  const D = draw.size(1, 40);
  const each = Array.from({ length: draw.size(1, 4) }, () => draw.floats(D, draw.size(1, 30)));
  return on((...xs) => kernels.joinColumns(xs as T[]), ...each);
};

const rotary = (draw: Draw): Check => {
  const frequencies = Array.from({ length: draw.size(1, 12) }, (_, j) => 10 ** -j);
  const run = (x: T): T[] => [true, false].map((back) => kernels.rotary({ x }, { frequencies, back }));
  return on(run as Check["run"], draw.floats(draw.size(1, 4), draw.size(1, 40), 2 * frequencies.length));
};

const swiglu = (draw: Draw): Check => {
  const shape = [draw.size(1, 9), draw.size(1, 99)];
  const run = (gate: T, up: T, dy: T): T[] => [kernels.swiglu({ gate, up }), ...kernels.swigluGrad({ gate, up, dy })];
  return on(run as Check["run"], draw.floats(...shape), draw.floats(...shape), draw.floats(...shape));
};

/** Several parameters at once, as many as no device binds together, one of them large. */
const together = (draw: Draw): Check => {
  const sizes = [...Array.from({ length: draw.size(1, 30) }, () => draw.size(1, 70)), draw.size(1000, 20_000)];
  const keep = sizes.map((_, i) => 1 - i / 100);
  const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, unbias2: 2, keep, scale: 0.5 };
  const from = sizes.map((size) => draw.size(0, Math.min(3, size - 1)));
  const run = (...xs: T[]): T[] => [
    ...kernels.adamwAll(xs, step),
    kernels.sumsOfSquares(
      sizes.map((_, i) => xs[4 * i]!),
      { from, to: sizes },
    ),
  ];
  const parameter = (size: number) => [draw.floats(size), draw.floats(size), draw.floats(size), draw.positive(size)];
  return on(run as Check["run"], ...sizes.flatMap(parameter));
};

/** A cast may leave whole numbers as they lie: a kernel must not take them for floats. */
const cast = (draw: Draw): Check => {
  const [N, D, F] = [draw.size(1, 30), draw.size(1, 30), draw.size(1, 30)];
  const run = (index: T, w: T): T[] => {
    const x = index.toFloat();
    return [
      kernels.gelu({ x }),
      kernels.columnSums({ x }),
      tf.matMul(x, w),
      kernels.sumOfSquares({ x }, { from: 0, to: N * D }).sum(),
    ];
  };
  return on(run as Check["run"], draw.indices(9, N, D), draw.floats(D, F));
};

/** A part of a tensor of random numbers, counted from anywhere. */
const uniform = (draw: Draw): Check => {
  const [N, D, apart] = [draw.size(1, 40), draw.size(1, 40), draw.size(0, 30)];
  const key = [draw.size(0, 2 ** 31), draw.size(0, 2 ** 31)] as const;
  const at = { key, from: 2 ** 33 * draw.size(0, 9) + draw.size(0, 99), shape: [N, D], strides: [D + apart, 1] };
  return on(() => kernels.uniform({}, at));
};

export const namedChecks: readonly Named[] = [
  ["addRow, columnSums", sums],
  ["adamw", adamw],
  ["adamwAll, sumsOfSquares", together],
  ["addBranch, addGradient", branch],
  ["attention, attentionGrad", attention(20)],
  ["attention of a long sequence", attention(140)],
  ["whole numbers cast to float32", cast],
  ["causalSoftmax, causalSoftmaxGrad", causal],
  ["crossEntropy, crossEntropyGrad", loss],
  ["gelu, geluGrad", gelu],
  ["geluProduct, geluProductGrad, mlp, mlpGrad", perceptron],
  ["joinColumns", columns],
  ["layerNorm, layerNormGrad", norm(true, true)],
  ["layerNorm without a bias", norm(true, false)],
  ["layerNorm without a mean: RMS norm", norm(false, false)],
  ["packedAttention, packedAttentionGrad", packed],
  ["pickRows, sumIntoRows", rows],
  ["rotary", rotary],
  ["selfAttention, selfAttentionGrad", projected(true)],
  ["selfAttention without biases", projected(false)],
  ["sumOfSquares", squares],
  ["swiglu, swigluGrad", swiglu],
  ["uniform", uniform],
];
