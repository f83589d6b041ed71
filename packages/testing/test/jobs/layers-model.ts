// A model of tf.layers, new in every worker, trained over threads: for tests that start it as a process of its own. DIFFERS makes the
// data, the model or options other in each thread.

import { threadId } from "node:worker_threads";
import { adamw, type Data, threads, train } from "@orthant/core";
import { fromLayersModel, stream } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";

const { DIFFERS, WORKERS = "2" } = process.env;
const { layers } = tf;
const network = tf.sequential({
  layers: [
    layers.conv2d({ filters: 3, kernelSize: 3, activation: "relu", inputShape: [6, 6, 1] }),
    layers.flatten(),
    layers.dropout({ rate: 0.2 }),
    layers.dense({ units: 3, activation: "softmax" }),
  ],
});
const start = DIFFERS === "model" ? "values" : "seed";
const model = await fromLayersModel(network, { loss: "sparseCategoricalCrossentropy", start });

const fields = { input: { shape: [6, 6, 1], dtype: "float32" }, target: { shape: [], dtype: "int32" } } as const;
const pictureOf = (i: number) => ({
  input: Float32Array.from({ length: 36 }, (_, p) => Math.sin(p * (1 + (i % 3)))),
  target: Int32Array.of(i % 3),
});
async function* pictures() {
  for (let i = 0; ; i++) {
    if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    yield pictureOf(i);
  }
}
const drawn: Data = {
  ...fields,
  tokens: 1,
  sample: () => ({ ...pictureOf(0), input: new Float32Array(36).fill(Math.random()) }),
};

const late: Data = { ...drawn, sample: async (i, seed) => drawn.sample(i, seed) };
const other = threadId % 2;

const { losses } = await train({
  model,
  data: DIFFERS === "data" ? drawn : DIFFERS === "late" ? late : stream(pictures, fields),
  seed: DIFFERS === "options" ? other : 0,
  ...(DIFFERS === "options" && other && { clip: 1 }),
  batch: 12,
  mesh: { pp: 2, dp: 2 },
  strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })],
  optimizer: adamw({ lr: 0.01 }),
  steps: 8,
  transport: threads({ workers: Number(WORKERS) }),
  run: false,
  quiet: true,
});
console.log(JSON.stringify(losses));
