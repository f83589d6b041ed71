// Operations at sizes that fill a card: grids of many blocks, reductions in parts, products worth timing. Too slow for the emulator.

import { kernels } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import type { Operation } from "./cases.ts";
import { floats, integers } from "./draws.ts";

type Run = Operation["run"];
const on = (run: (...xs: tf.Tensor[]) => tf.Tensor | tf.Tensor[], ...inputs: Operation["inputs"]): Operation => ({
  inputs,
  run: run as Run,
});

export const largeOperations: readonly (readonly [string, () => Operation])[] = [
  ["large add", () => on((a, b) => tf.add(a!, b!), floats(1023, 1025), floats(1023, 1025))],
  ["large sums", () => on((x) => [tf.sum(x!), tf.sum(x!, 0), tf.sum(x!, 1), tf.max(x!)], floats(1023, 1025))],
  [
    "large squares",
    () => on((x) => kernels.sumOfSquares({ x: x! }, { from: 5, to: 1_000_001 }).sum(), floats(1_000_003)),
  ],
  ["large softmax", () => on((x) => tf.softmax(x!), floats(8, 50_304))],
  ["large transpose", () => on((x) => [tf.transpose(x!, [0, 2, 1, 3]), tf.transpose(x!)], floats(4, 100, 12, 64))],
  ["large product", () => on((a, b) => tf.matMul(a!, b!), floats(700, 1030), floats(1030, 900))],
  [
    "large products",
    () => on((a, b) => [tf.matMul(a!, b!, true), tf.matMul(b!, a!, true)], floats(1024, 512), floats(1024, 768)),
  ],
  [
    "large fused product",
    () =>
      on(
        (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: bias!, activation: "relu" }),
        floats(1024, 512),
        floats(512, 1536),
        floats(1536),
      ),
  ],
  [
    "large gather and back",
    () =>
      on(
        (x, i) => [
          kernels.pickRows({ table: x!, index: i! }),
          kernels.sumIntoRows({ x: x!, index: i! }, { rows: 1000 }),
        ],
        floats(1000, 768),
        integers(1000, 1000),
      ),
  ],
];
