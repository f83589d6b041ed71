// What a model may give as its loss: a sum, or a sum and the terms that it is of. A mean and an unreduced tensor are refused with the way
// out, as both would change with the mesh.
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Model, memory, run, segment, type TrainOptions, train, useDevice } from "../src/index.ts";
import { small, training, vectors } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

type Loss = (y: tf.Tensor, target: tf.Tensor) => tf.Tensor;
const shape = () => ({ shape: [], flops: 0, kept: 0 });
const under = (loss: Loss): Model => {
  const own = segment({ name: "own", params: [], run: (_, y, target) => loss(y!, target!), shape });
  return { ...small(), loss: (tape, y, target) => tape.local(own, "", y, target) };
};
const options = (over: Partial<TrainOptions>): TrainOptions => training({ transport: memory(), ...over });
const squares: Loss = (y, target) => y.sub(target).square().sum();

test.each([
  [
    "a mean",
    (y, target) => y.sub(target).square().mean(),
    /the loss is a mean over samples: of one it is .*Give the sum/,
  ],
  ["one a sample", (y, target) => y.sub(target).square().sum(1), /the loss is a tensor \[(2|8)\]: give its sum/],
  ["one an element", (y, target) => y.sub(target).square(), /the loss is a tensor \[2, 4\]: give its sum over samples/],
] as [string, Loss, RegExp][])(
  "%s is refused in one line, on one device and over several",
  async (_, loss, message) => {
    const meshes = [{}, { mesh: { dp: 2 }, strategies: [zero({ stage: 1 })], micros: 2 }];
    for (const mesh of meshes) await expect(train(options({ model: under(loss), ...mesh }))).rejects.toThrow(message);
    before = tf.memory().numTensors; // what was in flight where a rank failed
  },
);

/** Terms whose target is above a half count: as many as the samples have. */
const masked: Loss = (y, target) => {
  const mask = target.greater(0.5).cast("float32");
  return tf.stack([y.sub(target).square().mul(mask).sum(), mask.sum()]);
};

test("a sum and its terms: the mean over the terms of the whole batch, the same on every mesh", async () => {
  const model = under(masked);
  const one = await train(options({ model, micros: 1, clip: 0.5 }));
  const meshes: Partial<TrainOptions>[] = [
    { micros: 4 },
    { mesh: { dp: 4 }, strategies: [zero({ stage: 3 })], micros: 1 },
    { mesh: { pp: 2, dp: 2 }, strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 1 })] },
  ];
  for (const mesh of meshes) {
    const { micros: _, ...rest } = options({ model, clip: 0.5 });
    const other = await train({ ...rest, ...mesh });
    for (const [i, loss] of other.losses.entries()) expect(Math.abs(loss / one.losses[i]! - 1)).toBeLessThan(1e-5);
    for (const [name, values] of other.weights)
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(one.weights.get(name)![i]!, 5);
  }
});

test("terms that are all that there are train as the sum does; an evaluation counts terms too", async () => {
  const counted: Loss = (y, target) => tf.stack([squares(y, target), tf.scalar(y.shape[0]!)]);
  const [sum, both] = [
    await train(options({ model: under(squares) })),
    await train(options({ model: under(counted) })),
  ];
  expect(both.losses).toEqual(sum.losses);
  expect(both.weights).toEqual(sum.weights);
  const halves: Loss = (y, target) => tf.stack([squares(y, target), tf.scalar(2 * y.shape[0]!)]);
  const losses = [];
  for (const loss of [squares, halves]) {
    const session = await run(options({ model: under(loss) }));
    losses.push(await session.evaluate(vectors, 8));
    await session.close();
  }
  expect(losses[0]! / losses[1]!).toBeCloseTo(2, 6);
});
