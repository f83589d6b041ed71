// Bytes per parameter: the ZeRO paper's figures, and what `plan` makes of several models.
import { adamw, type Plan, plan, type TrainOptions } from "@orthant/core";
import { arrays, gpt, mlp } from "@orthant/nn";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { bytesPerParameter, zero } from "../src/index.ts";

test("the paper's table: 7.5B parameters in mixed precision on 64 ranks, in GB (figure 1)", () => {
  const mixed = { params: 2, grads: 2, optimizer: 12 };
  const gigabytes = ([0, 1, 2, 3] as const).map((stage) => 7.5 * bytesPerParameter(stage, 64, mixed));
  expect(gigabytes.map((n) => n.toFixed(1))).toEqual(["120.0", "31.4", "16.6", "1.9"]);
});

const zeros = (size: number) => Array.from({ length: 12 }, () => new Array<number>(size).fill(0));
const models: [string, Pick<TrainOptions, "model" | "data">][] = [
  ["a tiny GPT", { model: tinyGpt(), data: tinySequences() }],
  [
    "a GPT",
    {
      model: gpt({ layers: 3, width: 24, heads: 2, context: 6, vocab: 12 }),
      data: tinySequences({ context: 6, vocab: 12 }),
    },
  ],
  [
    "an MLP",
    {
      model: mlp({ inputs: 12, outputs: 12, layers: 6, width: 24 }),
      data: arrays({ inputs: zeros(12), targets: zeros(12) }),
    },
  ],
];

describe.each(models)("%s", (_, job) => {
  const on = (stage: 0 | 1 | 2 | 3, dp: number): Promise<Plan> =>
    plan({
      ...job,
      batch: 12,
      mesh: { dp },
      optimizer: adamw({ lr: 1e-3 }),
      steps: 1,
      strategies: [zero({ stage, gather: "step" })], // what is gathered is then all there is
    });

  test.each([0, 1, 2, 3] as const)("stage %i", async (stage) => {
    for (const dp of [1, 2, 4]) {
      const { ranks, specs } = await on(stage, dp);
      const count = specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const { params, optimizer } = ranks[0]!.bytes;
      const gathered = stage === 3 && dp > 1 ? 4 * count : 0;
      const rounding = 12 * specs.length; // the first chunk of each may be an element larger
      const planned = params - gathered + optimizer;
      const formula = count * bytesPerParameter(stage, dp, { params: 4, grads: 0, optimizer: 8 });
      expect(planned).toBeGreaterThanOrEqual(formula);
      expect(planned).toBeLessThanOrEqual(formula + rounding);
    }
  });
});
