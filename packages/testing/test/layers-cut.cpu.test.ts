// Models of tf.layers whose Dense and Embedding layers are cut over an axis: the losses and the weights of one device, what is sent is what
// the plan says, and what cannot be cut is refused by name.
import { memory, type Strategy, sgd, train, useDevice } from "@orthant/core";
import { arrays, fromLayersModel, toLayersModel } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, expect, test } from "vitest";

beforeEach(() => useDevice("wasm"));
const { layers } = tf;

const network = () =>
  tf.sequential({
    layers: [
      layers.embedding({ name: "table", inputDim: 9, outputDim: 6, inputLength: 4 }),
      layers.layerNormalization({ name: "norm" }),
      layers.dense({ name: "wide", units: 8, activation: "tanh" }),
      layers.flatten(),
      layers.dense({ name: "narrow", units: 4 }),
      layers.layerNormalization({ name: "last" }),
      layers.dense({ name: "out", units: 3, activation: "softmax" }),
    ],
  });
const loss = "sparseCategoricalCrossentropy";
const cut = { layers: ["table", "wide", "narrow"], axis: "model" };
const data = arrays({
  inputs: Array.from({ length: 8 }, (_, i) => [0, 1, 2, 3].map((k) => (i * 5 + k * k) % 9)),
  targets: Array.from({ length: 8 }, (_, i) => i % 3),
});

const stages = pipeline({ schedule: "1f1b", micros: 2 });
test.each<[string, Record<string, number>, readonly Strategy[]]>([
  ["2 members", { model: 2 }, []],
  ["2 members, with ZeRO-3 over 2", { model: 2, dp: 2 }, [zero({ stage: 3 })]],
  ["2 members of each of two stages, with ZeRO-1", { pp: 2, model: 2, dp: 2 }, [stages, zero({ stage: 1 })]],
])("%s train as one device does", async (_, mesh, strategies) => {
  const model = await fromLayersModel(network(), { loss, cut });
  expect(model.rules.map(({ ends, dim }) => `${ends} ${dim}`)).toEqual([
    "table.embeddings 1",
    "wide.kernel 1",
    "wide.bias 0",
    "narrow.kernel 1",
    "narrow.bias 0",
  ]);
  const options = { model, data, batch: 8, steps: 4, optimizer: sgd({ lr: 0.1 }), transport: memory() };
  const quiet = { run: false, quiet: true, collect: true } as const;
  const alone = await train({ ...options, ...quiet });
  const axis = "model";
  const cutting = [tensorParallel({ rules: model.rules, axis }), ...strategies];
  const many = await train({ ...options, ...quiet, mesh, strategies: cutting });
  for (const [i, value] of many.losses.entries()) expect(value).toBeCloseTo(alone.losses[i]!, 5);
  for (const [name, values] of alone.weights)
    for (const [i, value] of values.entries()) expect(many.weights.get(name)![i], name).toBeCloseTo(value, 5);
  expect(many.sent.model).toBe(4 * many.plan.sent.model!);
  expect(many.sent.model).toBeGreaterThan(0);
  expect((await toLayersModel(model, many.weights)).countParams()).toBe(network().countParams());
});

test.each([
  ["norm", '"norm" (LayerNormalization) cannot be cut: Dense and Embedding can'],
  ["out", '"out" has activation softmax, which is over all its units'],
  ["nowhere", '"nowhere" is not there: the model has table, norm, wide'],
])("%s is refused by name", async (name, message) => {
  await expect(fromLayersModel(network(), { loss, cut: { layers: [name] } })).rejects.toThrow(message);
});
