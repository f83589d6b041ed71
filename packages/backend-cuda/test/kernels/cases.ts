// Operations of tfjs with fresh random inputs: those that a GPT's step needs and those around them, odd sizes and sizes of 1.
import * as tf from "@tensorflow/tfjs";
import { bools, type Drawn, draw, floats, integers, positive } from "./draws.ts";

type T = tf.Tensor;
/** An operation on drawn inputs. */
export interface Operation {
  readonly inputs: readonly Drawn[];
  readonly run: (...xs: T[]) => T | T[];
  /** What the cpu backend runs, where that has no kernel of the name. */
  readonly reference?: (...xs: T[]) => T | T[];
}

const on = (run: (...xs: T[]) => T | T[], ...inputs: Drawn[]): Operation => ({ inputs, run });

const unaryNames = [
  "abs",
  "atan",
  "ceil",
  "cos",
  "cosh",
  "elu",
  "erf",
  "exp",
  "expm1",
  "floor",
  "isFinite",
  "isInf",
  "isNaN",
  "neg",
  "reciprocal",
  "relu",
  "relu6",
  "round",
  "selu",
  "sigmoid",
  "sign",
  "sin",
  "sinh",
  "softplus",
  "square",
  "step",
  "tan",
  "tanh",
  "leakyRelu",
  "asinh",
  "asin",
  "acos",
  "atanh",
] as const;
const positiveNames = ["log", "log1p", "rsqrt", "sqrt"] as const;
const binaryNames = [
  "add",
  "sub",
  "mul",
  "div",
  "maximum",
  "minimum",
  "squaredDifference",
  "equal",
  "notEqual",
  "greater",
  "greaterEqual",
  "less",
  "lessEqual",
  "atan2",
  "mod",
  "floorDiv",
] as const;
/** tfjs's operations by name. */
const { ...named } = tf;
const operation = (name: string) => named[name as "add"] as unknown as (...xs: T[]) => T;

const unary = unaryNames.map((name) => [name, () => on(operation(name), floats(7, 33))] as const);
const logs = positiveNames.map((name) => [name, () => on(operation(name), positive(1025))] as const);
const binary = binaryNames.flatMap((name) => [
  [`${name} of one shape`, () => on(operation(name), floats(5, 7), floats(5, 7))] as const,
  [`${name} of rows`, () => on(operation(name), floats(4, 5, 6), floats(6))] as const,
  [`${name} of columns`, () => on(operation(name), floats(4, 1, 6), floats(5, 1))] as const,
  [`${name} of a scalar`, () => on(operation(name), floats(9), floats())] as const,
]);
const whole = (["add", "sub", "mul", "maximum", "minimum", "floorDiv", "mod", "equal", "less"] as const).map(
  (name) =>
    [
      `${name} of integers`,
      () =>
        on(
          operation(name),
          integers(20, 4, 5),
          draw([5], "int32", () => 1 + Math.floor(9 * Math.random())),
        ),
    ] as const,
);

const sums = (["sum", "mean", "max", "min", "prod"] as const).flatMap((name) => {
  const run =
    (axis?: number | number[], keep = false) =>
    (x: T) =>
      (named[name] as typeof tf.sum)(x, axis, keep);
  return [
    [`${name} of all`, () => on(run(), positive(3, 50, 7))] as const,
    [`${name} of rows`, () => on(run(-1), floats(6, 700))] as const,
    [`${name} of columns`, () => on(run(0), floats(130, 37))] as const,
    [`${name} of the middle`, () => on(run(1, true), floats(3, 5, 7))] as const,
    [`${name} of the outer two of three`, () => on(run([0, 2]), floats(3, 5, 7))] as const,
    [
      `${name} of a long vector`,
      () =>
        on(
          run(),
          draw([5000], "float32", () => 0.99 + 0.02 * Math.random()),
        ),
    ] as const,
  ];
});

const others: readonly (readonly [string, () => Operation])[] = [
  ["pow", () => on(operation("pow"), positive(20), floats(20))],
  ["sum of integers", () => on((x) => tf.sum(x!, 0), integers(9, 40, 3))],
  ["sum of bools", () => on((x) => tf.sum(x!), bools(40))],
  ["all, any", () => on((x) => [tf.all(x!, 1), tf.any(x!, 0)], bools(4, 3))],
  ["argMax, argMin", () => on((x) => [tf.argMax(x!, -1), tf.argMin(x!, 0), tf.argMax(x!, 1)], floats(5, 77, 3))],
  ["cumsum", () => on((x) => [tf.cumsum(x!, 1), tf.cumsum(x!, 0, true, true), tf.cumprod(x!, 2)], floats(3, 5, 4))],
  ["softmax", () => on((x) => [tf.softmax(x!), tf.logSoftmax(x!)], floats(5, 301))],
  [
    "logical",
    () =>
      on(
        (a, b) => [tf.logicalAnd(a!, b!), tf.logicalOr(a!, b!), tf.logicalNot(a!), tf.logicalXor(a!, b!)],
        bools(11),
        bools(11),
      ),
  ],
  ["clip, prelu", () => on((x, a) => [tf.clipByValue(x!, -0.3, 0.4), tf.prelu(x!, a!)], floats(31), floats(31))],
  ["addN", () => on((...xs) => tf.addN(xs), ...Array.from({ length: 9 }, () => floats(3, 4)))],
  [
    "cast",
    () => on((x) => [tf.cast(x!, "int32"), tf.cast(x!, "bool"), tf.cast(tf.cast(x!, "int32"), "float32")], floats(31)),
  ],
  ["where", () => on((c, a, b) => tf.where(c!, a!, b!), bools(4, 5), floats(4, 5), floats(4, 5))],
  [
    "fill, zeros, ones",
    () => on((x) => [tf.fill([3, 4], 2.5), tf.fill([5], 3, "int32"), tf.zerosLike(x!), tf.onesLike(x!)], bools(5)),
  ],
  [
    "transpose",
    () =>
      on((x) => [tf.transpose(x!, [0, 2, 1, 3]), tf.transpose(x!), tf.transpose(x!, [1, 0, 2, 3])], floats(3, 5, 4, 8)),
  ],
  ["transpose of a matrix", () => on((x) => tf.transpose(x!), floats(67, 41))],
  ["transpose of matrices", () => on((x) => tf.transpose(x!, [0, 2, 1]), floats(3, 37, 70))],
  ["transpose of bytes", () => on((x) => tf.transpose(x!), bools(37, 41))],
  ["slice", () => on((x) => [tf.slice(x!, [1, 0, 2], [2, 3, 4]), tf.slice(x!, [0, 0, 4], [4, 5, 4])], floats(4, 5, 8))],
  [
    "stridedSlice",
    () =>
      on(
        (x) => [
          tf.stridedSlice(x!, [0, 4], [4, 0], [2, -2]),
          tf.stridedSlice(x!, [0, 0], [4, 5], [1, 1], 0, 0, 0, 0, 1),
        ],
        floats(4, 5),
      ),
  ],
  [
    "concat, stack",
    () =>
      on((a, b) => [tf.concat([a!, b!], 1), tf.stack([a!, b!.slice([0, 0], [3, 4])], 1)], floats(3, 4), floats(3, 6)),
  ],
  ["unstack, split", () => on((x) => [...tf.unstack(x!, 1), ...tf.split(x!, [2, 4], 2)], floats(2, 3, 6))],
  [
    "pad",
    () =>
      on(
        (x) =>
          tf.pad(
            x!,
            [
              [1, 2],
              [0, 3],
            ],
            0.5,
          ),
        floats(4, 5),
      ),
  ],
  ["tile, reverse", () => on((x) => [tf.tile(x!, [2, 3]), tf.reverse(x!, 1), tf.reverse(x!)], floats(3, 5))],
  ["gather", () => on((x, i) => [tf.gather(x!, i!), tf.gather(x!, i!, 1)], floats(6, 6, 4), integers(6, 3, 2))],
  ["gather with batch dims", () => on((x, i) => tf.gather(x!, i!, 1, 1), floats(2, 6, 3), integers(6, 2, 4))],
  ["gatherND", () => on((x, i) => tf.gatherND(x!, i!), floats(4, 5, 3), integers(4, 6, 2))],
  ["scatterND", () => on((x, i) => tf.scatterND(i! as tf.Tensor, x!, [5, 3]), floats(7, 3), integers(5, 7, 1))],
  [
    "tensorScatterUpdate",
    () =>
      on(
        (y, x) => tf.tensorScatterUpdate(y!, tf.tensor2d([[1], [3]], [2, 1], "int32"), x!),
        floats(5, 3),
        floats(2, 3),
      ),
  ],
  [
    "unsortedSegmentSum",
    () => on((x, i) => tf.unsortedSegmentSum(x!, i! as tf.Tensor1D, 6), floats(9, 4), integers(6, 9)),
  ],
  [
    "oneHot",
    () =>
      on((i) => [tf.oneHot(i! as tf.Tensor1D, 5), tf.oneHot(i! as tf.Tensor1D, 5, 2, -1, "float32")], integers(5, 7)),
  ],
  ["topk", () => on((x) => Object.values(tf.topk(x!, 4)), floats(3, 300))],
  ["topk of equals", () => on((x) => Object.values(tf.topk(x!, 3)), integers(3, 4, 9))],
  ["bandPart", () => on((x) => tf.linalg.bandPart(x!, -1, 0), floats(6, 6))],
  ["matMul", () => on((a, b) => tf.matMul(a!, b!), floats(7, 9), floats(9, 5))],
  [
    "matMul transposed",
    () =>
      on(
        (a, b, c) => [
          tf.matMul(a!, b!, true),
          tf.matMul(a!, c!, false, true),
          tf.matMul(c!, b!.transpose().slice([0, 0], [5, 6]), true, true),
        ],
        floats(9, 7),
        floats(9, 5),
        floats(6, 7),
      ),
  ],
  ["matMul batched", () => on((a, b) => tf.matMul(a!, b!), floats(2, 3, 4, 5), floats(2, 3, 5, 6))],
  [
    "matMul broadcast",
    () => on((a, b, c) => [tf.matMul(a!, b!), tf.matMul(a!, c!)], floats(2, 3, 4, 5), floats(1, 5, 6), floats(3, 5, 2)),
  ],
  // of one sign: a single number of both may cancel, and then no rounding is small beside it
  ["matMul of one row", () => on((a, b) => tf.matMul(a!, b!), positive(1, 5), positive(5, 1))],
  [
    "fused matMul",
    () =>
      on(
        (a, b, bias) =>
          (["linear", "relu", "elu", "sigmoid"] as const).map((activation) =>
            tf.fused.matMul({ a: a!, b: b!, bias: bias!, activation }),
          ),
        floats(7, 9),
        floats(9, 5),
        floats(5),
      ),
  ],
  ["empty", () => on((x) => [tf.add(x!, 1), tf.sum(x!), tf.concat([x!, x!])], floats(0, 3))],
  [
    "kernels of the cpu backend",
    () =>
      on(
        (a, b) => [
          tf.einsum("ij,jk->ik", a!, b!),
          tf.topk(a!, 2).values,
          tf.maxPool(a!.reshape([1, 4, 6, 1]) as tf.Tensor4D, 2, 2, 0),
        ],
        floats(4, 6),
        floats(6, 3),
      ),
  ],
  [
    "complex numbers",
    () =>
      on(
        (a, b) => {
          const z = tf.concat([tf.complex(a!, b!), tf.complex(b!, a!)], 1);
          return [tf.real(z), tf.imag(tf.mul(z, z)), tf.abs(z)];
        },
        floats(3, 4),
        floats(3, 4),
      ),
  ],
];

export const operations: readonly (readonly [name: string, make: () => Operation])[] = [
  ...unary,
  ...logs,
  ...binary,
  ...whole,
  ...sums,
  ...others,
];
