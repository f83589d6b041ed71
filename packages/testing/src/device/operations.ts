// tfjs's operations that segments and tf.layers call, forward and by gradient, at random sizes, sizes of 1 among them.
import * as tf from "@tensorflow/tfjs";
import { type Check, differentiated, type Named, on } from "./check.ts";
import type { Draw } from "./draw.ts";

type T = tf.Tensor;
const { ...operations } = tf;
const named = (name: string) => operations[name as "add"] as unknown as (...xs: T[]) => T;

const smooth = "elu erf exp sigmoid sin cos softplus square tanh selu neg softmax logSoftmax".split(" ");
const kinked = "abs relu relu6 leakyRelu sign step floor ceil round isNaN isFinite reciprocal".split(" ");
const ofPositive = "log log1p sqrt rsqrt".split(" ");
const binary = "add sub mul div".split(" ");
/** tfjs has no gradient of these where a side is broadcast. */
const alike = "maximum minimum squaredDifference".split(" ");
const comparing = "equal notEqual greater greaterEqual less lessEqual".split(" ");
const sums = "sum mean max min".split(" ");

const matrix = (draw: Draw) => [draw.size(1, 9), draw.size(1, 40)] as const;
/** Shapes that go together: the same, a row, a column, a scalar. */
function broadcast(draw: Draw): [number[], number[]] {
  const [B, N, D] = [draw.size(1, 4), draw.size(1, 7), draw.size(1, 9)];
  return [[B, N, D], [[B, N, D], [D], [N, 1], [B, 1, 1], []][draw.size(0, 4)]!];
}

const elementwise: readonly Named[] = [
  ...smooth.map((name): Named => [name, (draw) => differentiated(named(name), draw.floats(...matrix(draw)))]),
  ...kinked.map((name): Named => [name, (draw) => on(named(name), draw.floats(...matrix(draw)))]),
  ...ofPositive.map((name): Named => [name, (draw) => differentiated(named(name), draw.positive(...matrix(draw)))]),
  ...binary.map((name): Named => {
    const make = (draw: Draw): Check => {
      const [a, b] = broadcast(draw);
      return differentiated(named(name), draw.floats(...a), draw.positive(...b));
    };
    return [name, make];
  }),
  ...alike.map((name): Named => {
    const make = (draw: Draw): Check => {
      const shape = matrix(draw);
      return differentiated(named(name), draw.floats(...shape), draw.floats(...shape));
    };
    return [name, make];
  }),
  ...comparing.map((name): Named => {
    const make = (draw: Draw): Check => {
      const [a, b] = broadcast(draw);
      return on((x, y) => named(name)(x!, y!).toFloat(), draw.indices(3, ...a), draw.indices(3, ...b));
    };
    return [`${name} of integers`, make];
  }),
  ["pow", (draw) => on(named("pow"), draw.positive(5, 3), draw.floats(5, 3))],
  ["clip", (draw) => differentiated((x) => tf.clipByValue(x, -0.3, 0.4), draw.floats(...matrix(draw)))],
  ["prelu", (draw) => differentiated((x, a) => tf.prelu(x, a), draw.floats(4, 5), draw.floats(4, 5))],
  [
    "where",
    (draw) => {
      const shape = matrix(draw);
      return differentiated(
        (c, a, b) => tf.where(c, a, b),
        draw.bools(...shape),
        draw.floats(...shape),
        draw.floats(...shape),
      );
    },
  ],
  ["addN", (draw) => on((...xs) => tf.addN(xs), ...Array.from({ length: draw.size(2, 5) }, () => draw.floats(3, 4)))],
  ["cast", (draw) => on((x) => [x!.toInt(), x!.mul(3).toInt().toFloat()], draw.floats(...matrix(draw)))],
];

const axes = [-1, 0, 1, undefined, [0, 2]] as const;
const reductions: readonly Named[] = sums.map((name) => [
  name,
  (draw) => {
    const axis = axes[draw.size(0, axes.length - 1)] as number;
    const keep = draw.size(0, 1) === 1;
    const shape = [draw.size(1, 6), draw.size(1, 30), draw.size(1, 9)];
    return differentiated((x) => (operations[name as "sum"] as typeof tf.sum)(x, axis, keep), draw.floats(...shape));
  },
]);

const product =
  (flipA: boolean, flipB: boolean) =>
  (draw: Draw): Check => {
    const [M, K, N] = [draw.size(1, 20), draw.size(1, 20), draw.size(1, 20)];
    const [a, b] = [flipA ? [K, M] : [M, K], flipB ? [N, K] : [K, N]];
    const batch = [[], [draw.size(1, 4)], [2, draw.size(1, 3)]][draw.size(0, 2)]!;
    return differentiated(
      (x, y) => tf.matMul(x, y, flipA, flipB),
      draw.floats(...batch, ...a),
      draw.floats(...batch, ...b),
    );
  };

const products: readonly Named[] = [
  ["matMul", product(false, false)],
  ["matMul of a transposed left", product(true, false)],
  ["matMul of a transposed right", product(false, true)],
  ["matMul of both transposed", product(true, true)],
  [
    "fused matMul",
    (draw) => {
      const [M, K, N] = [draw.size(1, 9), draw.size(1, 9), draw.size(1, 9)];
      const activation = (["linear", "relu", "sigmoid"] as const)[draw.size(0, 2)]!;
      return on(
        (a, b, bias) => tf.fused.matMul({ a: a!, b: b!, bias: bias!, activation }),
        draw.floats(M, K),
        draw.floats(K, N),
        draw.floats(N),
      );
    },
  ],
];

const moves: readonly Named[] = [
  [
    "transpose",
    (draw) => differentiated((x) => tf.transpose(x, [0, 2, 1, 3]), draw.floats(2, draw.size(1, 5), draw.size(1, 7), 3)),
  ],
  ["transpose of a matrix", (draw) => differentiated((x) => tf.transpose(x), draw.floats(...matrix(draw)))],
  [
    "slice",
    (draw) => differentiated((x) => tf.slice(x, [1, 2], [2, -1]), draw.floats(draw.size(3, 6), draw.size(3, 9))),
  ],
  [
    "concat",
    (draw) =>
      differentiated((a, b) => tf.concat([a, b], 1), draw.floats(3, draw.size(1, 5)), draw.floats(3, draw.size(1, 5))),
  ],
  [
    "stack, unstack",
    (draw) => differentiated((a, b) => tf.stack([...tf.unstack(a), b], 1), draw.floats(2, 5), draw.floats(5)),
  ],
  ["split", (draw) => on((x) => tf.split(x!, 3, 1), draw.floats(draw.size(1, 4), 6))],
  [
    "pad",
    (draw) =>
      differentiated(
        (x) =>
          tf.pad(
            x,
            [
              [1, 2],
              [0, 3],
            ],
            0.5,
          ),
        draw.floats(...matrix(draw)),
      ),
  ],
  ["tile", (draw) => differentiated((x) => tf.tile(x, [2, 3]), draw.floats(draw.size(1, 4), draw.size(1, 4)))],
  ["reverse", (draw) => differentiated((x) => tf.reverse(x, 1), draw.floats(...matrix(draw)))],
  [
    "gather",
    (draw) =>
      differentiated(
        (x, i) => tf.gather(x, i as tf.Tensor1D),
        draw.floats(6, draw.size(1, 5)),
        draw.indices(6, draw.size(1, 9)),
      ),
  ],
  ["oneHot", (draw) => on((i) => tf.oneHot(i!, 5).toFloat(), draw.indices(5, draw.size(1, 9)))],
  ["bandPart", (draw) => on((x) => tf.linalg.bandPart(x!, -1, 0), draw.floats(...Array(2).fill(draw.size(1, 9))))],
  ["cumsum", (draw) => differentiated((x) => tf.cumsum(x, 1), draw.floats(...matrix(draw)))],
  ["argMax", (draw) => on((x) => tf.argMax(x!, -1), draw.floats(...matrix(draw)))],
  ["topk", (draw) => on((x) => tf.topk(x!, 2).values, draw.floats(3, draw.size(2, 9)))],
];

const image = (draw: Draw, C: number) => draw.floats(draw.size(1, 3), draw.size(4, 9), draw.size(4, 9), C);
const pad = (draw: Draw) => (["same", "valid"] as const)[draw.size(0, 1)]!;
const images: readonly Named[] = [
  [
    "conv2d",
    (draw) => {
      const [C, F, stride, how] = [draw.size(1, 4), draw.size(1, 5), draw.size(1, 2), pad(draw)];
      return differentiated(
        (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, how),
        image(draw, C),
        draw.floats(draw.size(1, 3), draw.size(1, 3), C, F),
      );
    },
  ],
  [
    "depthwiseConv2d",
    (draw) => {
      const [C, M, how] = [draw.size(1, 4), draw.size(1, 2), pad(draw)];
      return differentiated(
        (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, how),
        image(draw, C),
        draw.floats(3, 2, C, M),
      );
    },
  ],
  [
    "maxPool",
    (draw) => {
      const how = pad(draw);
      return differentiated((x) => tf.maxPool(x as tf.Tensor4D, 2, 2, how), image(draw, draw.size(1, 3)));
    },
  ],
  [
    "avgPool", // not padded: there tfjs's cpu gradient divides by the whole window, and its forward by what lies inside
    (draw) => differentiated((x) => tf.avgPool(x as tf.Tensor4D, [3, 2], 1, "valid"), image(draw, draw.size(1, 3))),
  ],
  [
    "batchNorm",
    (draw) => {
      const C = draw.size(1, 5);
      const row = () => draw.positive(C);
      return differentiated(
        (x, mean, variance, offset, scale) =>
          tf.batchNorm(
            x as tf.Tensor2D,
            mean as tf.Tensor1D,
            variance as tf.Tensor1D,
            offset as tf.Tensor1D,
            scale as tf.Tensor1D,
          ),
        draw.floats(4, C),
        row(),
        row(),
        row(),
        row(),
      );
    },
  ],
];

export const operationChecks: readonly Named[] = [...elementwise, ...reductions, ...products, ...moves, ...images];
