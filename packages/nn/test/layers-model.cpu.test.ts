// `fromLayersModel` and back: where a model is cut, whose first values it has, what is frozen or tied, and what is refused by name.
import { forward, plan, train, useDevice } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { arrays, type CarriedModel, fromLayersModel, toLayersModel } from "../src/index.ts";
import { data, dense, mse, options, small } from "./carried.ts";

const { layers } = tf;
beforeEach(() => useDevice("wasm"));
afterEach(() => tf.disposeVariables());

const layersOf = ({ layers }: CarriedModel) =>
  layers.map(({ name, params }) => `${name}: ${params.map((p) => p.name)}`);
const initsOf = ({ layers }: CarriedModel) => layers.flatMap(({ params }) => params.map(({ init }) => init));
const valuesOf = (model: CarriedModel) =>
  initsOf(model).map((init) => (init.kind === "values" ? [...init.values()] : init.kind));

test("a layer with weights is a layer, and takes along those without", async () => {
  const model = small(layers.activation({ activation: "relu" }), dense(4), layers.dropout({ rate: 0.1 }), dense(1));
  expect(layersOf(await fromLayersModel(model, mse))).toEqual([
    "first: kernel,bias",
    "dense4: kernel,bias",
    "dense1: kernel,bias",
  ]);
});

test("a skip connection holds a block together", async () => {
  const x = tf.input({ shape: [2] });
  const apply = (layer: tf.layers.Layer, ...xs: tf.SymbolicTensor[]) =>
    layer.apply(xs.length === 1 ? xs[0]! : xs) as tf.SymbolicTensor;
  const a = apply(layers.dense({ units: 3, name: "a" }), x);
  const b = apply(layers.dense({ units: 3, name: "b" }), a);
  const sum = apply(layers.add(), a, apply(layers.dense({ units: 3, name: "c" }), b));
  const model = tf.model({ inputs: x, outputs: apply(dense(1), sum) });
  expect(layersOf(await fromLayersModel(model, mse))).toEqual([
    "a: kernel,bias",
    "b: kernel,bias,c.kernel,c.bias",
    "dense1: kernel,bias",
  ]);
});

test("a layer that runs twice has one set of weights, on any stages", async () => {
  const x = tf.input({ shape: [3] });
  const twice = layers.dense({ units: 3, name: "twice", activation: "tanh" });
  const apply = (layer: tf.layers.Layer, y: tf.SymbolicTensor) => layer.apply(y) as tf.SymbolicTensor;
  const own = tf.model({ inputs: x, outputs: apply(dense(1), apply(twice, apply(twice, x))) });
  const model = await fromLayersModel(own, mse);
  expect(layersOf(model)).toEqual(["twice: kernel,bias", "twice.1: kernel,bias", "dense1: kernel,bias"]);
  const { specs } = await plan({ ...options, model, data: { ...data, input: { shape: [3], dtype: "float32" } } });
  expect(specs.map(({ name }) => name)).toEqual(["twice.kernel", "twice.bias", "dense1.kernel", "dense1.bias"]);
});

describe("first values", () => {
  test("of a new model follow from the seed, not from what tfjs drew", async () => {
    const [one, again, other] = [
      await fromLayersModel(small(dense(1)), mse),
      await fromLayersModel(small(dense(1)), mse),
      await fromLayersModel(small(dense(1)), { ...mse, seed: 1 }),
    ];
    expect(valuesOf(one)).toEqual(valuesOf(again));
    expect(valuesOf(one)).not.toEqual(valuesOf(other));
  });

  test("of a trained model are its own", async () => {
    const own = small(dense(1));
    own.setWeights(own.getWeights().map((w) => tf.range(0, w.size).reshape(w.shape)));
    expect(valuesOf(await fromLayersModel(own, mse))).toEqual([[0, 1, 2, 3, 4, 5], [0, 1, 2], [0, 1, 2], "constant"]);
    expect(valuesOf(await fromLayersModel(own, { ...mse, start: "seed" }))[1]).toBe("constant");
  });

  test("where nothing tells the two apart, the caller must", async () => {
    const own = tf.sequential({ layers: [layers.dense({ units: 2, inputShape: [2], useBias: false })] });
    await expect(fromLayersModel(own, mse)).rejects.toThrow('say start: "values" to train on from its weights');
    expect(valuesOf(await fromLayersModel(own, { ...mse, start: "values" }))).toEqual([
      [...own.getWeights()[0]!.dataSync()],
    ]);
  });
});

test("the model that was handed in stays as it is", async () => {
  const own = small(dense(1));
  const before = own.getWeights().map((w) => [...w.dataSync()]);
  const model = await fromLayersModel(own, { ...mse, start: "values" });
  await train({ ...options, model });
  expect(own.getWeights().map((w) => [...w.dataSync()])).toEqual(before);
});

test("layers that are not trainable are frozen; batch normalisation keeps its statistics", async () => {
  const own = small(layers.batchNormalization({ trainable: false, name: "norm" }), dense(1));
  own.layers[1]!.setWeights([1, 2, 3, 4].map((v) => tf.fill([3], v)));
  const model = await fromLayersModel(own, { ...mse, start: "values" });
  expect(model.layers[0]!.params.filter(({ frozen }) => frozen)).toHaveLength(0);
  const { weights } = await train({ ...options, model });
  expect(["gamma", "beta", "moving_mean", "moving_variance"].map((name) => weights.get(`norm.${name}`)![0])).toEqual([
    1, 2, 3, 4,
  ]);
  const back = await toLayersModel(model, weights);
  const run = await forward(model, weights);
  const values = Float32Array.of(1, 2, 3, 4);
  const found = await run({ values, shape: [2, 2], dtype: "float32" });
  const expected = (back.predict(tf.tensor(values, [2, 2])) as tf.Tensor).dataSync();
  for (const [i, v] of found.entries()) expect(v).toBeCloseTo(expected[i]!, 5);
});

test("a model that was compiled says its loss; a function sums it", async () => {
  const own = small(dense(1));
  own.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  const compiled = await train({ ...options, model: await fromLayersModel(own) });
  const summed = await fromLayersModel(own, { loss: (target, y) => y.sub(target).square().sum() });
  const { losses } = await train({ ...options, model: summed });
  for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(compiled.losses[i]!, 6);
});

test("several outputs: their losses are added", async () => {
  const x = tf.input({ shape: [2] });
  const h = layers.dense({ units: 3, name: "h" }).apply(x) as tf.SymbolicTensor;
  const outputs = [1, 2].map((units) => dense(units).apply(h) as tf.SymbolicTensor);
  const own = tf.model({ inputs: x, outputs });
  const model = await fromLayersModel(own, { loss: ["meanSquaredError", "meanAbsoluteError"], start: "values" });
  const both = arrays({ inputs: [[1, 2]], targets: [[1, 2, 3]] });
  const { losses } = await train({ ...options, model, data: both, batch: 1, steps: 1 });
  const [a, b] = (own.predict(tf.tensor2d([[1, 2]])) as tf.Tensor[]).map((y) => [...y.dataSync()]);
  const expected = (a![0]! - 1) ** 2 + Math.abs(b![0]! - 2) + Math.abs(b![1]! - 3);
  expect(losses[0]! * 3).toBeCloseTo(expected, 4);
  await expect(fromLayersModel(own, mse)).rejects.toThrow("1 losses for 2 outputs: give one for each, as a list");
});

const refusals: readonly [what: string, layer: () => tf.layers.Layer, message: string][] = [
  [
    "batch normalisation",
    () => layers.batchNormalization({ name: "n" }),
    '"n" (BatchNormalization) takes the mean of its batch',
  ],
  ["noise", () => layers.gaussianNoise({ stddev: 1 }), "would differ by mesh: use tf.layers.dropout"],
  ["a thresholded relu", () => layers.thresholdedReLU(), "has no gradient in tfjs: use tf.layers.reLU"],
  [
    "a regularizer",
    () => layers.dense({ units: 1, kernelRegularizer: "l1l2" }),
    "has kernelRegularizer: leave it out, and give the optimizer a decay",
  ],
  [
    "a constraint",
    () => layers.dense({ units: 1, biasConstraint: "nonNeg" }),
    "has biasConstraint: weights are cut over ranks",
  ],
];

test.each(refusals)("%s is refused by name, with the way out", async (_, layer, message) => {
  await expect(fromLayersModel(small(layer()), mse)).rejects.toThrow(message);
});

const within = (layer: tf.layers.Layer) => tf.sequential({ layers: [layer] });

test.each<[string, () => tf.layers.Layer, string]>([
  ["a stateful layer", () => layers.lstm({ units: 2, stateful: true, batchInputShape: [1, 3, 2] }), "is stateful"],
  ["dropout inside steps", () => layers.gru({ units: 2, dropout: 0.1, inputShape: [3, 2] }), "drops inside its steps"],
  [
    "dropout inside a wrapper",
    () => layers.timeDistributed({ layer: layers.dropout({ rate: 0.1 }), inputShape: [3, 2], name: "w" }),
    'drops inside "w": put it beside',
  ],
  [
    "a mask",
    () => layers.embedding({ inputDim: 3, outputDim: 2, maskZero: true, inputLength: 2 }),
    "masks are not carried",
  ],
  [
    "a dilated convolution",
    () => layers.conv2d({ filters: 1, kernelSize: 2, dilationRate: 2, inputShape: [4, 4, 1] }),
    "is dilated, and tfjs has no gradient for that",
  ],
])("%s is refused by name", async (_, layer, message) => {
  await expect(fromLayersModel(within(layer()), mse)).rejects.toThrow(message);
});

test("what does not fit is refused before a worker starts", async () => {
  const model = await fromLayersModel(small(dense(1)), mse);
  const wide = arrays({ inputs: [[1, 2, 3]], targets: [[1]] });
  await expect(plan({ ...options, model, data: wide })).rejects.toThrow(
    "the model takes [2], 2 values a sample, and the data's have 3, [3]",
  );
  const classes = arrays({ inputs: [[1, 2]], targets: [[1, 2]] });
  await expect(plan({ ...options, model, data: classes })).rejects.toThrow(
    "the model's loss takes 1 values a sample as target, and the data's have 2, [2]",
  );
  await expect(fromLayersModel(small(dense(1)))).rejects.toThrow("the model is not compiled, so say what is minimised");
  await expect(fromLayersModel(small(dense(1)), { loss: "mse" as never })).rejects.toThrow('the loss "mse" is none of');
  await expect(fromLayersModel(tf.sequential(), mse)).rejects.toThrow("the model has no layers");
});

test("a mean is refused, as it would change with the mesh", async () => {
  const model = await fromLayersModel(small(dense(1)), { loss: (target, y) => y.sub(target).square() });
  await expect(train({ ...options, model })).rejects.toThrow(
    "the loss is a tensor [4, 1]: give its sum over samples, a scalar",
  );
});

test("dropout does nothing to a forward without training", async () => {
  const own = small(layers.dropout({ rate: 0.5 }), dense(1));
  const model = await fromLayersModel(own, { ...mse, start: "values" });
  const { weights } = await train({ ...options, model });
  const run = await forward(model, weights);
  const values = Float32Array.of(1, 2);
  const found = await run({ values, shape: [1, 2], dtype: "float32" });
  const back = await toLayersModel(model, weights);
  expect(found[0]).toBeCloseTo((back.predict(tf.tensor(values, [1, 2])) as tf.Tensor).dataSync()[0]!, 5);
  run.dispose();
});

test("saved by tfjs, loaded, trained, saved, loaded by plain tfjs: the same predictions", async () => {
  const kept: tf.io.ModelArtifacts[] = [];
  const saved = async (model: tf.LayersModel) => {
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      kept.push(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    });
    await model.save(handler);
    return tf.loadLayersModel(tf.io.fromMemory(kept.at(-1)!));
  };
  const own = small(layers.activation({ activation: "tanh" }), dense(1));
  own.setWeights(
    own.getWeights().map((w) =>
      tf
        .range(1, w.size + 1)
        .div(10)
        .reshape(w.shape),
    ),
  );
  const model = await fromLayersModel(await saved(own), mse);
  const { weights, losses } = await train({ ...options, model, steps: 20 });
  const loaded = await saved(await toLayersModel(model, weights));
  const run = await forward(model, weights);
  const values = Float32Array.of(0, 1, 1, 0);
  const found = await run({ values, shape: [2, 2], dtype: "float32" });
  const expected = (loaded.predict(tf.tensor(values, [2, 2])) as tf.Tensor).dataSync();
  for (const [i, v] of found.entries()) expect(v).toBeCloseTo(expected[i]!, 5);
  const first = (
    own.predict(
      tf.tensor2d([
        [0, 1],
        [1, 0],
        [1, 1],
        [0, 0],
      ]),
    ) as tf.Tensor
  ).sub(tf.tensor2d([[1], [0], [1], [0]]));
  expect(losses[0]).toBeCloseTo(first.square().mean().dataSync()[0]!, 5);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  run.dispose();
});

test("neither carrying a model over nor training it leaves a tensor behind", async () => {
  const own = small(layers.dropout({ rate: 0.1 }), dense(1));
  const before = tf.memory().numTensors;
  const model = await fromLayersModel(own, mse);
  expect(tf.memory().numTensors).toBe(before);
  await train({ ...options, model });
  expect(tf.memory().numTensors).toBe(before);
});
