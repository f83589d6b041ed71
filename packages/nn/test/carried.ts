// A small model of tf.layers and a job that trains it, for tests.
import { memory, sgd } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { arrays } from "../src/index.ts";

export const dense = (units: number) => tf.layers.dense({ units, name: `dense${units}` });

export const small = (...rest: tf.layers.Layer[]) =>
  tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2], name: "first" }), ...rest] });

export const mse = { loss: "meanSquaredError" } as const;

export const data = arrays({
  inputs: [
    [0, 1],
    [1, 0],
    [1, 1],
    [0, 0],
  ],
  targets: [[1], [0], [1], [0]],
});

export const options = {
  data,
  batch: 4,
  steps: 2,
  optimizer: sgd({ lr: 0.1 }),
  transport: memory(),
  run: false,
  quiet: true,
  collect: true,
} as const;
