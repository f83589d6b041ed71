// A convolutional tf.LayersModel trained by `model.fit` on the backend, plain tfjs: `node benchmarks/cuda/convolutions.ts [BATCH]`.
// 32 x 32 images in 10 classes, 0.6M parameters. Prints images/s of the last epoch and losses as JSON; convolutions.py is the
// same in PyTorch.
import * as tf from "@tensorflow/tfjs";
import "@orthant/backend-cuda";

const batch = Number(process.argv[2] ?? 256);
const images = 8192;
await tf.setBackend("cuda");

/** Images whose class is how many stripes they have: something to learn. */
function stripes(): { x: tf.Tensor4D; y: tf.Tensor2D } {
  const pixels = new Float32Array(images * 32 * 32 * 3);
  const classes = Int32Array.from({ length: images }, (_, i) => i % 10);
  for (let i = 0, at = 0; i < images; i++)
    for (let p = 0; p < 1024; p++)
      for (let c = 0; c < 3; c++)
        pixels[at++] = Math.sin(((p % 32) / 32) * (classes[i]! + 1) * 3.14 + c + i) + 0.3 * Math.sin(at * 12.9898);
  return {
    x: tf.tensor4d(pixels, [images, 32, 32, 3]),
    y: tf.oneHot(tf.tensor1d(classes, "int32"), 10).toFloat() as tf.Tensor2D,
  };
}

const convolution = (filters: number, first = {}) =>
  tf.layers.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu", ...first });
const model = tf.sequential({
  layers: [
    convolution(64, { inputShape: [32, 32, 3] }),
    convolution(64),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    convolution(128),
    convolution(128),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    convolution(256),
    tf.layers.globalAveragePooling2d({}),
    tf.layers.dense({ units: 10, activation: "softmax" }),
  ],
});
model.compile({ optimizer: tf.train.adam(1e-3), loss: "categoricalCrossentropy" });
const { x, y } = stripes();
const seconds: number[] = [];
let from = performance.now();
const history = await model.fit(x, y, {
  batchSize: batch,
  epochs: 4,
  shuffle: false,
  verbose: 0,
  yieldEvery: "epoch",
  callbacks: {
    onEpochEnd: async () => {
      seconds.push((performance.now() - from) / 1000);
      from = performance.now();
    },
  },
});
console.log(
  JSON.stringify({
    batch,
    imagesPerSecond: Math.round(images / Math.min(...seconds.slice(1))),
    losses: history.history.loss!.map((loss) => Number(Number(loss).toFixed(4))),
  }),
);
process.exit(0);
