// The conformance suite of strategies, on tensor parallelism, and a model that crosses over before anything is trained.
import { type Model, sgd } from "@orthant/core";
import { arrays, segments } from "@orthant/nn";
import { accountingFailures, observe, testStrategy } from "@orthant/testing";
import { expect, test } from "vitest";
import { tensorParallel } from "../src/index.ts";

for (const { name, run } of testStrategy(() => tensorParallel(), { refused: ["tensorParallel"] })) test(name, run);

/** Enters with the samples themselves. */
const atOnce: Model = {
  name: "at once",
  layers: [
    {
      name: "0",
      params: [
        { name: "mlp.up", shape: [3, 4], init: { kind: "normal", std: 1 } },
        { name: "mlp.upBias", shape: [4], init: { kind: "constant", value: 0 } },
        { name: "mlp.down", shape: [4, 3], init: { kind: "normal", std: 1 } },
      ],
      forward: async (tape, x) => tape.leave("tp", await tape.local(segments.mlp, "0.mlp", await tape.enter("tp", x))),
    },
  ],
  loss: (tape, y, target) => tape.local(segments.squaredError, "", y, target),
};

test("no gradient goes back to the samples, and plan prices none", async () => {
  const rows = [
    [1, 2, 3],
    [3, 1, 2],
  ];
  const found = await observe({
    model: atOnce,
    data: arrays({ inputs: rows, targets: rows }),
    batch: 2,
    steps: 2,
    optimizer: sgd({ lr: 0.1 }),
    mesh: { tp: 2 },
    strategies: [tensorParallel()],
  });
  expect(accountingFailures(found)).toEqual([]);
});
