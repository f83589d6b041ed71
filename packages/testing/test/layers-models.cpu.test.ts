// Eleven architectures of tf.layers, trained on several meshes, against `model.trainOnBatch` of tfjs itself: the same weights after three
// steps of gradient descent. Dropout, whose masks tfjs draws anew, against one device instead, and under recomputation.

import {
  type Data,
  elements,
  memory,
  randomKey,
  type Strategy,
  sgd,
  train,
  uniformInt,
  useDevice,
  type Weights,
} from "@orthant/core";
import { type CarriedModel, fromLayersModel, toLayersModel } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, test } from "vitest";
import { type Architecture, architectures } from "./architectures.ts";

const [steps, batch, lr] = [3, 8, 0.05];

beforeEach(() => useDevice("wasm"));

const isClass = ({ loss }: Architecture) => loss === "sparseCategoricalCrossentropy";

function inputOf({ inputs, below }: Architecture, index: number): Float32Array {
  const count = inputs.reduce((n, shape) => n + elements(shape), 0);
  return Float32Array.from({ length: count }, (_, i) => {
    const u = uniformInt(randomKey(index, "inputs"), i, 2 ** 20) / 2 ** 20;
    return below === undefined ? u * 2 - 1 : Math.floor(u * below);
  });
}

function targetOf(at: Architecture, index: number): Float32Array | Int32Array {
  const [n] = at.output as [number];
  if (isClass(at)) return Int32Array.of(index % n);
  if (at.loss === "categoricalCrossentropy") return Float32Array.from({ length: n }, (_, i) => +(i === index % n));
  if (at.loss === "binaryCrossentropy") return Float32Array.of(index % 2);
  return Float32Array.from({ length: n }, (_, i) => Math.sin(index + 3 * i));
}

/** The samples, flat. */
const dataOf = (at: Architecture): Data => ({
  input: { shape: [inputOf(at, 0).length], dtype: "float32" },
  target: { shape: isClass(at) ? [] : at.output, dtype: isClass(at) ? "int32" : "float32" },
  tokens: /mean|binary/.test(at.loss) ? elements(at.output) : 1,
  sample: (index) => ({ input: inputOf(at, index), target: targetOf(at, index) }),
});

/** One batch as tfjs takes it. */
function batchOf(at: Architecture, step: number): { xs: tf.Tensor[]; y: tf.Tensor } {
  const all = Array.from({ length: batch }, (_, i) => step * batch + i);
  let from = 0;
  const xs = at.inputs.map((shape) => {
    const part = all.map((index) => [...inputOf(at, index).subarray(from, from + elements(shape))]);
    from += elements(shape);
    return tf.tensor(part.flat(), [batch, ...shape]);
  });
  const target = isClass(at) ? [batch, 1] : [batch, ...at.output];
  return {
    xs,
    y: tf.tensor(
      all.flatMap((index) => [...targetOf(at, index)]),
      target,
    ),
  };
}

/** tfjs's own training: its losses, and the weights after it. */
async function ownTraining(
  model: tf.LayersModel,
  at: Architecture,
): Promise<{ losses: number[]; weights: Float32Array[] }> {
  model.compile({ optimizer: tf.train.sgd(lr), loss: at.loss });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { xs, y } = batchOf(at, step);
    losses.push((await model.trainOnBatch(xs.length === 1 ? xs[0]! : xs, y)) as number);
    tf.dispose([...xs, y]);
  }
  return { losses, weights: (await Promise.all(model.getWeights().map((w) => w.data()))) as Float32Array[] };
}

interface Mesh {
  readonly mesh: Readonly<Record<string, number>>;
  readonly strategies: readonly Strategy[];
  readonly recompute?: boolean;
}
const stages = pipeline({ schedule: "1f1b", micros: 2 });
const meshes: Readonly<Record<string, Mesh>> = {
  "one device": { mesh: {}, strategies: [] },
  "dp 2": { mesh: { dp: 2 }, strategies: [zero({ stage: 0 })] },
  "ZeRO-3 over 4": { mesh: { dp: 4 }, strategies: [zero({ stage: 3 })] },
  "pipeline 2 x dp 2, recomputed": {
    mesh: { pp: 2, dp: 2 },
    strategies: [stages, zero({ stage: 1 })],
    recompute: true,
  },
};

/** The same, each with all samples of a stage at once. */
const inOneMicro: typeof meshes = {
  ...meshes,
  "pipeline 2 x dp 2, recomputed": {
    mesh: { pp: 2, dp: 2 },
    strategies: [pipeline({ schedule: "1f1b", micros: 1 }), zero({ stage: 1 })],
    recompute: true,
  },
};

const run = (model: CarriedModel, at: Architecture, mesh: Mesh) =>
  train({
    model,
    data: dataOf(at),
    batch,
    steps,
    optimizer: sgd({ lr }),
    ...mesh,
    transport: memory(),
    run: false,
    quiet: true,
    collect: true,
  });

const worst = (found: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(expected).reduce((most, v, i) => Math.max(most, Math.abs(v - found[i]!) / Math.max(1, Math.abs(v))), 0);

const inOrder = ({ parameters }: CarriedModel, weights: Weights) => parameters.map((name) => weights.get(name)!);

const { dropout, ...others } = architectures as Record<"dropout", Architecture>;

describe.each(Object.entries(others as Record<string, Architecture>))("%s", (_, at) => {
  test("trains on every mesh as tfjs does", async () => {
    const own = at.make();
    const { loss, batchNormalization } = at;
    const model = await fromLayersModel(own, {
      loss,
      start: "values",
      ...(batchNormalization && { batchNormalization }),
    });
    const expected = await ownTraining(own, at);
    for (const [name, mesh] of Object.entries(batchNormalization ? inOneMicro : meshes)) {
      const { losses, weights } = await run(model, at, mesh);
      expect(worst(losses, expected.losses), `losses, ${name}`).toBeLessThan(1e-5);
      for (const [i, values] of inOrder(model, weights).entries())
        expect(worst(values, expected.weights[i]!), `${model.parameters[i]}, ${name}`).toBeLessThan(1e-5);
    }
    const { weights } = await run(model, at, meshes["dp 2"]!);
    const back = await toLayersModel(model, weights);
    const { xs, y } = batchOf(at, 9);
    const [found, wanted] = [back, own].map((m) => (m.predict(xs.length === 1 ? xs[0]! : xs) as tf.Tensor).dataSync());
    expect(worst(found!, wanted!)).toBeLessThan(1e-5);
    tf.dispose([...xs, y]);
  });
});

test("dropout: the same masks on every mesh, and under recomputation", async () => {
  const model = await fromLayersModel(dropout.make(), { loss: dropout.loss });
  const [alone, ...rest] = await Promise.all(Object.values(meshes).map((mesh) => run(model, dropout, mesh)));
  for (const { losses, weights } of rest) {
    expect(worst(losses, alone!.losses)).toBeLessThan(1e-5);
    for (const [i, values] of inOrder(model, weights).entries())
      expect(worst(values, inOrder(model, alone!.weights)[i]!)).toBeLessThan(1e-5);
  }
});
