// An option that is no such thing is refused by name, in one line, before anything starts.
import { gpt } from "@orthant/nn";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { plan, sgd, type TrainOptions } from "../src/index.ts";

const refusal = (over: object): Promise<string> => {
  const options = { model: tinyGpt(), data: tinySequences(), batch: 12, optimizer: sgd({ lr: 1 }), steps: 1, ...over };
  return plan(options as TrainOptions).then(
    () => "accepted",
    (error: Error) => error.message,
  );
};

const learning = (lr: unknown) => ({ optimizer: sgd({ lr: lr as number }) });

test.each<[string, object, string]>([
  ["a model without layers", { model: { ...tinyGpt(), layers: [] } }, "model has no layers: give at least one"],
  ["a function for a model", { model: gpt }, "model is a function; give { name, layers, loss }, such as gpt()"],
  ["a promise for a model", { model: Promise.resolve(tinyGpt()) }, "model is a promise: await it; give"],
  ["tfjs's model", { model: { layers: [1], predict: () => {} } }, "carry it over with await fromLayersModel(model)"],
  ["numbers for data", { data: [1, 2] }, "data is a list; give { input, target, tokens, sample(index) }"],
  ["a tensor for data", { data: { dataId: {}, shape: [2] } }, "data is a tensor; give"],
  ["no terms of a loss", { data: { ...tinySequences(), tokens: 0 } }, "data.tokens is 0; it counts the terms"],
  ["an optimizer by name", { optimizer: "adamw" }, 'optimizer is "adamw"; give an optimizer, such as adamw('],
  ["an optimizer's function", { optimizer: sgd }, "optimizer is a function; give an optimizer, such as adamw("],
  ["a rate that is a word", learning("fast"), 'lr is "fast" at step 0; it must be a number from 0'],
  ["a rate below 0", learning(-1), "lr is -1 at step 0"],
  ["a rate that is no number", learning(() => Number.NaN), "lr is NaN at step 0"],
  [
    "one strategy alone",
    { strategies: zero({ stage: 0 }) },
    "strategies is an object; give a list, such as [zero({ stage: 3 })]",
  ],
  [
    "a strategy's function",
    { strategies: [zero] },
    "strategies[0] is a function; give what a strategy's function returns",
  ],
  ["a seed below 0", { seed: -1 }, "seed is -1; it must be a whole number from 0"],
  ["a seed that is a word", { seed: "x" }, 'seed is "x"; it must be a whole number from 0'],
  ["a fraction of a seed", { seed: 0.5 }, "seed is 0.5"],
  ["a clip that is a word", { clip: "1" }, 'clip is "1"; it is a norm: give a number above 0'],
  ["a clip below 0", { clip: -1 }, "clip is -1; it is a norm"],
  ["a cap of nothing", { capBytes: 0 }, "capBytes is 0; it must be a number above 0, or left out for no cap"],
  ["a mesh that is a number", { mesh: 4 }, "mesh is 4; give the size of each axis, such as { dp: 2 }"],
  ["a word for yes", { recompute: "yes" }, 'recompute is "yes"; it is true or false'],
  ["a run that is true", { run: true }, "run is true; give the name of a folder, or false to write nothing"],
])("%s is refused", async (_, over, message) => {
  const found = await refusal(over);
  expect(found).toContain(message);
  expect(found).not.toContain("\n");
});
