// What plan() decides without a tensor: who holds what and how much is sent.

import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tiny, tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { adamw, plan, showRank, type TrainOptions } from "../src/index.ts";

const options = (over: Partial<TrainOptions> = {}): TrainOptions => ({
  model: tinyGpt(),
  data: tinySequences(),
  batch: 12,
  optimizer: adamw({ lr: 1e-3 }),
  steps: 1,
  ...over,
});

const spread = (): TrainOptions =>
  options({
    mesh: { pp: 2, dp: 3, tp: 2 },
    strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })],
  });

test("allocates no tensor", async () => {
  const before = tf.memory().numTensors;
  await plan(spread());
  expect(tf.memory().numTensors).toBe(before);
});

describe("a mesh of 2 x 3 x 2", async () => {
  const { ranks, stages, specs, micros, microSize, sent } = await plan(spread());

  test("has 12 ranks with places", () => {
    expect(ranks).toHaveLength(12);
    expect(showRank(ranks[11]!)).toBe("rank 11 (pp 1, dp 2, tp 1)");
  });

  test("gives each layer to one stage, each stage to one place on pp", () => {
    expect(stages.flat()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { coords, stages: mine } of ranks) expect(mine).toEqual([coords.pp]);
  });

  test("gives every parameter to the ranks of one stage", () => {
    for (const spec of specs) {
      const holders = ranks.filter(({ params }) => params.includes(spec));
      expect(holders).toHaveLength(6);
      expect(new Set(holders.map(({ coords }) => coords.pp)).size).toBe(1);
    }
  });

  test("cuts the batch into micros", () => expect([micros, microSize]).toEqual([2, 2]));

  test("sends bytes on every axis", () => {
    for (const axis of ["pp", "dp", "tp"]) expect(sent[axis]).toBeGreaterThan(0);
  });
});

describe.each([1, 2, 3, 4])("pp %i", (pp) => {
  const sent = async (dp: number, tp: number) => {
    const strategies = [tensorParallel(), pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 0 })];
    return (await plan(options({ batch: 4 * dp, mesh: { pp, dp, tp }, strategies }))).sent.pp!;
  };

  test("an activation and its gradient, a micro and a boundary, from every rank beside it", async () => {
    const activation = 2 * tiny.context * tiny.width;
    expect(await sent(1, 1)).toBe(2 * 2 * activation * (pp - 1) * 4);
    expect([await sent(2, 1), await sent(3, 2)]).toEqual([2 * (await sent(1, 1)), 6 * (await sent(1, 1))]);
  });
});

test("one device holds 16 bytes a parameter under AdamW and sends nothing", async () => {
  const { ranks, sent } = await plan(options());
  const { params, grads, optimizer } = ranks[0]!.bytes;
  expect(ranks).toHaveLength(1);
  expect(sent).toEqual({});
  expect([grads, optimizer]).toEqual([params, 2 * params]);
});

test("micros without a pipeline accumulate gradients", async () => {
  const { micros, microSize } = await plan(options({ micros: 3 }));
  expect([micros, microSize]).toEqual([3, 4]);
});
