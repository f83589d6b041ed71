// Every kind of layer in tf.layers that has a gradient, with the shape of one sample that it is tried on.
import * as tf from "@tensorflow/tfjs";

type Layer = tf.layers.Layer;
/** A layer of `tf.layers` to train in a test, and what goes into it. */
export interface LayerKind {
  /** Makes the layer, with weights of its own. */
  readonly make: () => Layer;
  readonly shape: readonly number[];
  /** Inputs are indices below this. */
  readonly below?: number;
  /** Takes two inputs of that shape. */
  readonly merges?: boolean;
  /** 3 by default. tfjs's cpu backend is wrong about the gradient of enlarging several images, and of smoothing an oblong one. */
  readonly samples?: number;
}

const { layers } = tf;
const of = (make: () => unknown, ...shape: number[]): LayerKind => ({ make: make as () => Layer, shape });
const merge = (make: () => unknown): LayerKind => ({ ...of(make, 3, 4), merges: true });
const activations = [
  "elu",
  "hardSigmoid",
  "linear",
  "relu",
  "relu6",
  "selu",
  "sigmoid",
  "softmax",
  "softplus",
] as const;
const more = ["softsign", "tanh", "swish", "mish"] as const;
const image = [8, 7, 2];
const volume = [4, 5, 4, 2];

/** Layers of `tf.layers` that have a gradient, by a name to print. */
export const layerKinds: Readonly<Record<string, LayerKind>> = {
  ...Object.fromEntries(
    [...activations, ...more].map((activation) => [
      `dense ${activation}`,
      of(() => layers.dense({ units: 3, activation }), 4),
    ]),
  ),
  "dense along a sequence": of(() => layers.dense({ units: 3 }), 5, 4),
  activation: of(() => layers.activation({ activation: "tanh" }), 4),
  conv1d: of(() => layers.conv1d({ filters: 3, kernelSize: 2 }), 8, 2),
  conv2d: of(() => layers.conv2d({ filters: 3, kernelSize: 3, activation: "relu" }), ...image),
  "conv2d, strides": of(() => layers.conv2d({ filters: 3, kernelSize: 1, strides: 2, padding: "same" }), ...image),
  conv2dTranspose: of(() => layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2 }), ...image),
  conv3d: of(() => layers.conv3d({ filters: 3, kernelSize: 2 }), ...volume),
  cropping2D: of(() => layers.cropping2D({ cropping: 1 }), ...image),
  depthwiseConv2d: of(() => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), ...image),
  separableConv2d: of(() => layers.separableConv2d({ filters: 3, kernelSize: 3, padding: "same" }), ...image),
  upSampling2d: { ...of(() => layers.upSampling2d({ size: [2, 2] }), ...image), samples: 1 },
  "upSampling2d, bilinear": of(() => layers.upSampling2d({ size: [2, 2], interpolation: "bilinear" }), 6, 6, 2),
  zeroPadding2d: of(() => layers.zeroPadding2d({ padding: 1 }), ...image),
  maxPooling1d: of(() => layers.maxPooling1d({ poolSize: 2 }), 8, 2),
  maxPooling2d: of(() => layers.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }), ...image),
  maxPooling3d: of(() => layers.maxPooling3d({ poolSize: 2, strides: 1 }), ...volume),
  averagePooling1d: of(() => layers.averagePooling1d({ poolSize: 2 }), 8, 2),
  averagePooling2d: of(() => layers.averagePooling2d({ poolSize: 3, strides: 2 }), ...image),
  averagePooling3d: of(() => layers.averagePooling3d({ poolSize: 2, strides: 1 }), ...volume),
  globalAveragePooling1d: of(() => layers.globalAveragePooling1d({}), 8, 2),
  globalAveragePooling2d: of(() => layers.globalAveragePooling2d({}), ...image),
  globalMaxPooling1d: of(() => layers.globalMaxPooling1d({}), 8, 2),
  globalMaxPooling2d: of(() => layers.globalMaxPooling2d({}), ...image),
  batchNormalization: of(() => layers.batchNormalization({}), ...image),
  layerNormalization: of(() => layers.layerNormalization({}), 8, 3),
  flatten: of(() => layers.flatten({}), 8, 2),
  permute: of(() => layers.permute({ dims: [2, 1] }), 8, 2),
  repeatVector: of(() => layers.repeatVector({ n: 3 }), 4),
  reshape: of(() => layers.reshape({ targetShape: [2, 4] }), 8),
  elu: of(() => layers.elu(), 4),
  leakyReLU: of(() => layers.leakyReLU(), 4),
  prelu: of(() => layers.prelu({}), 4),
  reLU: of(() => layers.reLU({ maxValue: 0.5 }), 4),
  softmax: of(() => layers.softmax({}), 4),
  dropout: of(() => layers.dropout({ rate: 0.3, seed: 7 }), 40),
  simpleRNN: of(() => layers.simpleRNN({ units: 3 }), 4, 2),
  gru: of(() => layers.gru({ units: 3, returnSequences: true }), 4, 2),
  lstm: of(() => layers.lstm({ units: 3 }), 4, 2),
  bidirectional: of(
    () => layers.bidirectional({ layer: layers.lstm({ units: 3 }) as tf.RNN, mergeMode: "concat" }),
    4,
    2,
  ),
  convLstm2d: of(() => layers.convLstm2d({ filters: 2, kernelSize: 2 }), 3, 4, 4, 2),
  timeDistributed: of(() => layers.timeDistributed({ layer: layers.dense({ units: 3 }) }), 4, 2),
  embedding: { ...of(() => layers.embedding({ inputDim: 5, outputDim: 3 }), 4), below: 5 },
  rescaling: of(() => layers.rescaling({ scale: 0.5 }), 4),
  add: merge(() => layers.add()),
  average: merge(() => layers.average()),
  concatenate: merge(() => layers.concatenate()),
  dot: { ...merge(() => layers.dot({ axes: -1 })), shape: [4] },
  maximum: merge(() => layers.maximum()),
  minimum: merge(() => layers.minimum()),
  multiply: merge(() => layers.multiply()),
};
