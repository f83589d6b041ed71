// Models of tf.layers of ten kinds, each with the shapes of its samples: what `fromLayersModel` is tried on.
import * as tf from "@tensorflow/tfjs";

const { layers } = tf;

export interface Architecture {
  readonly make: () => tf.LayersModel;
  /** Shapes of the inputs of one sample. */
  readonly inputs: readonly (readonly number[])[];
  /** Inputs are indices below this. */
  readonly below?: number;
  readonly loss:
    | "meanSquaredError"
    | "sparseCategoricalCrossentropy"
    | "categoricalCrossentropy"
    | "binaryCrossentropy";
  /** Its statistics are those of a whole batch only in one micro. */
  readonly batchNormalization?: "synchronised";
  /** Shape of the output of one sample; a class index is its target where the loss takes one. */
  readonly output: readonly number[];
}

type Apply = (x: tf.SymbolicTensor) => tf.SymbolicTensor;
const through =
  (layer: tf.layers.Layer): Apply =>
  (x) =>
    layer.apply(x) as tf.SymbolicTensor;
const dense = (units: number, activation?: "relu" | "tanh" | "softmax" | "sigmoid") =>
  layers.dense({ units, ...(activation && { activation }) });
const joined = (layer: tf.layers.Layer, ...xs: tf.SymbolicTensor[]) => layer.apply(xs) as tf.SymbolicTensor;
const sequence = (...list: tf.layers.Layer[]) => tf.sequential({ layers: list });

function twoInputs(): tf.LayersModel {
  const [a, b] = [tf.input({ shape: [6] }), tf.input({ shape: [2, 4] })];
  const left = through(dense(5, "relu"))(a);
  const right = through(dense(5, "tanh"))(through(layers.flatten())(b));
  const y = through(dense(2))(through(dense(4, "relu"))(joined(layers.concatenate(), left, right)));
  return tf.model({ inputs: [a, b], outputs: y });
}

function residual(): tf.LayersModel {
  const x = tf.input({ shape: [8, 8, 2] });
  const conv = (filters: number, strides = 1, kernelSize = 3) =>
    through(layers.conv2d({ filters, kernelSize, strides, padding: "same", activation: "relu" }));
  let h = conv(4)(x);
  h = joined(layers.add(), h, conv(4)(conv(4)(h)));
  h = joined(layers.add(), conv(6, 2, 1)(h), conv(6, 2)(h));
  return tf.model({ inputs: x, outputs: through(dense(3, "softmax"))(through(layers.globalAveragePooling2d({}))(h)) });
}

const classes = { loss: "sparseCategoricalCrossentropy", output: [3] } as const;

export const architectures: Readonly<Record<string, Architecture>> = {
  dense: {
    make: () => sequence(layers.dense({ units: 8, activation: "relu", inputShape: [6] }), dense(8, "tanh"), dense(2)),
    inputs: [[6]],
    loss: "meanSquaredError",
    output: [2],
  },
  conv: {
    make: () =>
      sequence(
        layers.conv2d({ filters: 4, kernelSize: 3, activation: "relu", inputShape: [8, 8, 1] }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.conv2d({ filters: 5, kernelSize: 2, activation: "relu" }),
        layers.flatten(),
        dense(3, "softmax"),
      ),
    inputs: [[8, 8, 1]],
    ...classes,
  },
  depthwise: {
    make: () =>
      sequence(
        layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, inputShape: [6, 6, 3] }),
        layers.separableConv2d({ filters: 4, kernelSize: 2, activation: "relu" }),
        layers.globalMaxPooling2d({}),
        dense(3, "softmax"),
      ),
    inputs: [[6, 6, 3]],
    loss: "categoricalCrossentropy",
    output: [3],
  },
  pooling: {
    make: () =>
      sequence(
        layers.averagePooling2d({ poolSize: 2, inputShape: [8, 8, 2] }),
        layers.conv2d({ filters: 4, kernelSize: 2 }),
        layers.maxPooling2d({ poolSize: 3, strides: 1, padding: "same" }),
        layers.conv2d({ filters: 4, kernelSize: 2 }),
        layers.globalAveragePooling2d({}),
        dense(1, "sigmoid"),
      ),
    inputs: [[8, 8, 2]],
    loss: "binaryCrossentropy",
    output: [1],
  },
  embedding: {
    make: () =>
      sequence(
        layers.embedding({ inputDim: 11, outputDim: 4, inputLength: 5 }),
        layers.lstm({ units: 6 }),
        dense(3, "softmax"),
      ),
    inputs: [[5]],
    below: 11,
    ...classes,
  },
  normalisation: {
    make: () =>
      sequence(
        layers.dense({ units: 6, inputShape: [5] }),
        layers.layerNormalization(),
        layers.activation({ activation: "relu" }),
        layers.dense({ units: 6, activation: "tanh" }),
        layers.layerNormalization(),
        dense(2),
      ),
    inputs: [[5]],
    loss: "meanSquaredError",
    output: [2],
  },
  "two inputs": { make: twoInputs, inputs: [[6], [2, 4]], loss: "meanSquaredError", output: [2] },
  residual: { make: residual, inputs: [[8, 8, 2]], ...classes },
  reshape: {
    make: () =>
      sequence(
        layers.reshape({ targetShape: [4, 3], inputShape: [12] }),
        layers.conv1d({ filters: 4, kernelSize: 2 }),
        layers.permute({ dims: [2, 1] }),
        layers.gru({ units: 4, returnSequences: true }),
        layers.flatten(),
        layers.prelu(),
        dense(2),
      ),
    inputs: [[12]],
    loss: "meanSquaredError",
    output: [2],
  },
  "batch normalisation": {
    make: () =>
      sequence(
        layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [6, 6, 2], useBias: false }),
        layers.batchNormalization({ momentum: 0.8, name: "first" }),
        layers.activation({ activation: "relu" }),
        layers.flatten(),
        dense(5),
        layers.batchNormalization({ momentum: 0.7, name: "second" }),
        dense(3, "softmax"),
      ),
    inputs: [[6, 6, 2]],
    ...classes,
    batchNormalization: "synchronised",
  },
  dropout: {
    make: () =>
      sequence(
        layers.dense({ units: 20, activation: "relu", inputShape: [6] }),
        layers.dropout({ rate: 0.3 }),
        dense(20, "relu"),
        layers.dropout({ rate: 0.5 }),
        dense(2),
      ),
    inputs: [[6]],
    loss: "meanSquaredError",
    output: [2],
  },
};
