// A convolutional tf.LayersModel trained by `model.fit` in plain tfjs, on the emulator: its losses are those of the cpu backend.
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { fuseAdam } from "../src/kernels/tfjs/adam.ts";
import { emulatedGpu } from "./emulator/gpu.ts";
import { useGpu } from "./kernels/compare.ts";

async function losses(backend: string): Promise<number[]> {
  await tf.setBackend(backend);
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        filters: 4,
        kernelSize: 3,
        padding: "same",
        activation: "relu",
        inputShape: [8, 8, 2],
        kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
      }),
      tf.layers.batchNormalization({}),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({
        units: 3,
        activation: "softmax",
        kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }),
      }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.01), loss: "categoricalCrossentropy" });
  const x = tf.randomUniform([12, 8, 8, 2], -1, 1, "float32", 3);
  const y = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], "int32"), 3).toFloat();
  const { history } = await model.fit(x, y, { epochs: 3, batchSize: 6, shuffle: false, verbose: 0 });
  tf.dispose([x, y]);
  model.dispose();
  return history.loss!.map(Number);
}

test("model.fit of a convolutional model gives the cpu backend's losses", { timeout: 120_000 }, async () => {
  fuseAdam();
  const gpu = emulatedGpu();
  useGpu(gpu);
  const [expected, found] = [await losses("cpu"), await losses("cuda")];
  expect(found).toHaveLength(3);
  for (const [i, loss] of found.entries()) expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(1e-4);
  expect(gpu.compiled.map(({ name }) => name)).toContain("adamwAll_f32"); // all variables in one launch
});
