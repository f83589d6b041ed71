// Batch normalisation over a mesh: what its statistics are beside gradients, what they are for, what is refused by name. Against tfjs's own
// training: packages/testing/test/layers-models.cpu.test.ts.
import { run, sgd, train, useDevice } from "@orthant/core";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fromLayersModel, toLayersModel } from "../src/index.ts";
import { data, dense, mse, options, small } from "./carried.ts";

const { layers } = tf;
beforeEach(() => useDevice("wasm"));
afterEach(() => tf.disposeVariables());

const option = { ...mse, batchNormalization: "synchronised" } as const;
const norm = () => layers.batchNormalization({ name: "norm", momentum: 0.5 });

test("moving averages are no gradients: in no norm, not clipped; what a step sends is what the plan says", async () => {
  const model = await fromLayersModel(small(norm(), dense(1)), option);
  const mesh = { dp: 2 };
  const clipped = (clip: number) =>
    train({ ...options, model, mesh, strategies: [zero({ stage: 3 })], optimizer: sgd({ lr: 0 }), clip, steps: 3 });
  const [free, tight] = [await clipped(1e9), await clipped(1e-9)];
  expect(free.weights.get("norm.moving_mean")).toEqual(tight.weights.get("norm.moving_mean"));
  expect(Math.max(...free.weights.get("norm.moving_mean")!)).not.toBe(0);
  expect(free.weights.get("norm.gamma")).toEqual(new Float32Array(3).fill(1));
  expect(free.sent.dp).toBe(3 * free.plan.sent.dp!);
});

test("an evaluation takes the averages", async () => {
  const model = await fromLayersModel(small(norm(), dense(1)), option);
  const session = await run({ ...options, model, optimizer: sgd({ lr: 0.1 }), steps: 4 });
  for await (const _ of session);
  const loss = await session.evaluate(data, options.batch);
  const { weights } = await session.close();
  const own = await toLayersModel(model, weights);
  const samples = await Promise.all(Array.from({ length: options.batch }, (_, i) => data.sample(i, 0)));
  const errors = tf.tidy(() => {
    const x = tf.tensor(
      samples.flatMap(({ input }) => [...input]),
      [options.batch, 2],
    );
    const y = tf.tensor(
      samples.flatMap(({ target }) => [...target]),
      [options.batch, 1],
    );
    return (own.predict(x) as tf.Tensor).sub(y).square().mean().dataSync()[0]!;
  });
  expect(loss).toBeCloseTo(errors, 5);
});

test("inside a wrapper, and twice, it is refused by name", async () => {
  const within = tf.sequential({ layers: [layers.timeDistributed({ layer: norm() as never, inputShape: [2, 3] })] });
  await expect(fromLayersModel(within, option)).rejects.toThrow(/"norm" \(BatchNormalization\) is inside/);
  const x = tf.input({ shape: [3] });
  const both = norm();
  const twice = tf.model({ inputs: x, outputs: both.apply(both.apply(x)) as tf.SymbolicTensor });
  await expect(fromLayersModel(twice, option)).rejects.toThrow(/"norm" \(BatchNormalization\) runs twice/);
});
