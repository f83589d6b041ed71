// Samples as a rank reads them: at once or later, the same step; and those that do not fit, refused by their number.
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Data, type Model, memory, plan, type Sample, segment, sgd, train, useDevice } from "../src/index.ts";
import { withPatience } from "../src/rank/patience.ts";
import { readSamples } from "../src/rank/samples.ts";

let before = 0;
beforeEach(async () => {
  await useDevice("cpu");
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const scaled = segment({ name: "scaled", params: ["gain"], run: ([gain], x) => x!.mul(gain!) });
const summed = segment({ name: "summed", params: [], run: (_, y, t) => y!.sub(t!).square().sum() });
const model: Model = {
  name: "scale",
  layers: [
    {
      name: "in",
      params: [{ name: "gain", shape: [2], init: { kind: "constant", value: 3 } }],
      forward: (tape, x) => tape.local(scaled, "in", x),
    },
  ],
  loss: (tape, y, target) => tape.local(summed, "", y, target),
};
const field = { shape: [2], dtype: "float32" } as const;
const sampleOf = (index: number): Sample => ({ input: Float32Array.of(index, 1), target: Float32Array.of(1, -index) });
const data: Data = { input: field, target: field, tokens: 2, sample: sampleOf };
const options = {
  model,
  data,
  batch: 4,
  steps: 3,
  optimizer: sgd({ lr: 0.01 }),
  mesh: {},
  transport: memory(),
  run: false,
  quiet: true,
  collect: true,
  device: "cpu",
} as const;

test("samples that come later, in any order, train to the same bits", async () => {
  const late: Data = {
    ...data,
    sample: (index) => new Promise((resolve) => setTimeout(() => resolve(sampleOf(index)), 4 - (index % 4))),
  };
  const [now, later] = [await train(options), await train({ ...options, data: late })];
  expect(later.losses).toEqual(now.losses);
  expect(later.weights).toEqual(now.weights);
});

test("the samples of a microbatch are asked for together", async () => {
  const asked: number[] = [];
  const first = Promise.withResolvers<void>();
  const patient: Data = {
    ...data,
    async sample(index) {
      asked.push(index);
      if (index % 4 === 3) first.resolve();
      await first.promise;
      return sampleOf(index);
    },
  };
  await train({ ...options, steps: 1, data: patient });
  expect(asked.slice(-8, -4)).toEqual([0, 1, 2, 3]); // before them, the same, for what ranks compare; after them, targets
});

const spoilt = (sample: unknown): Data => ({
  ...data,
  sample: (index) => (index === 5 ? ({ ...sampleOf(5), ...(sample as object) } as Sample) : sampleOf(index)),
});

test.each<[string, unknown, string]>([
  ["too short", { input: Float32Array.of(1) }, "the input of sample 5 has 1 values, and its shape [2] takes 2"],
  ["too long", { input: new Float32Array(3) }, "the input of sample 5 has 3 values, and its shape [2] takes 2"],
  ["no number", { input: Float32Array.of(1, Number.NaN) }, "the input of sample 5 has NaN at place 1"],
  [
    "infinite",
    { input: Float32Array.of(Number.NEGATIVE_INFINITY, 0) },
    "the input of sample 5 has -Infinity at place 0",
  ],
  ["an array", { input: [1, 2] }, "the input of sample 5 is an array; give a Float32Array or an Int32Array"],
  ["doubles", { input: Float64Array.of(1, 2) }, "the input of sample 5 is a Float64Array"],
  ["missing", { input: undefined }, "the input of sample 5 is missing"],
])("a sample that is %s is refused by its number", async (_, sample, message) => {
  await expect(train({ ...options, data: spoilt(sample) })).rejects.toThrow(message);
});

test("a tensor where numbers belong is refused", async () => {
  const x = tf.tensor1d([1, 2]);
  await expect(train({ ...options, data: spoilt({ input: x }) })).rejects.toThrow("the input of sample 5 is a tensor;");
  x.dispose();
});

test.each<[string, number]>([
  ["equal to the number of classes", 3],
  ["negative", -1],
  ["fractional", 0.5],
])("an index that is %s is refused", async (_, label) => {
  const at = { step: 0, micro: 0 };
  const decided = await plan(options);
  const labels = { ...spoilt({ target: Float32Array.of(0, label) }), target: field };
  const read = (index: number) =>
    readSamples(
      {
        ...options,
        model: { ...model, indices: { target: 3 } },
        data: { ...labels, sample: () => labels.sample(index, 0) },
      },
      decided,
      {},
      { ...at, side: "target", limit: 1000 },
    );
  await expect(read(5)).rejects.toThrow(`has ${label} at place 1: the model takes whole numbers from 0 to 2`);
});

test("a fraction is no int32", async () => {
  const whole: Data = { ...spoilt({ input: Float32Array.of(1, 1.5) }), input: { ...field, dtype: "int32" } };
  await expect(train({ ...options, data: whole })).rejects.toThrow(
    "has 1.5 at place 1: its dtype int32 takes whole numbers",
  );
});

test("data that is slow says so, by rank and sample, and ends the run as what it is, not as a stall", async () => {
  const slow: Data = {
    ...data,
    sample: (index) => (index === 9 ? new Promise<never>(() => {}) : sampleOf(index)),
  };
  const ranks = { mesh: { dp: 2 }, strategies: [zero({ stage: 0 })] };
  await expect(train({ ...options, ...ranks, data: slow, transport: memory({ stall: 300 }) })).rejects.toThrow(
    /waits 0 s for sample 9: the data is slow; give the transport a longer stall/,
  );
});

test("a wait for data tells the first sample that is missing, again and again", async () => {
  const told: number[] = [];
  const late = (ms: number, value: string) => new Promise<string>((resolve) => setTimeout(() => resolve(value), ms));
  const patience = { say: (at: number) => told.push(at), late: () => new Error("late"), limit: 1e6, after: 20 };
  const found = await withPatience(["now", late(60, "first"), late(130, "second")], patience);
  expect(found).toEqual(["now", "first", "second"]);
  expect(told[0]).toBe(1);
  expect(told.at(-1)).toBe(2);
});
