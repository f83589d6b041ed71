// Tensors do not pile up: as many at the end of each of 50 steps, in every stage, way to gather and wire.
import { adamw, memory } from "@orthant/core";
import { accountingFailures, observe, tinyGpt, tinySequences } from "@orthant/testing";
import { expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const gathers: readonly ZeroOptions[] = [
  { stage: 0 },
  { stage: 1 },
  { stage: 2 },
  ...(["segment", "micro", "step"] as const).map((gather) => ({ stage: 3 as const, gather })),
];
const modes = gathers.flatMap((options) => (["f32", "bf16", "int8"] as const).map((wire) => ({ ...options, wire })));

test.each(modes)("%j", async (options) => {
  const found = await observe({
    model: tinyGpt({ layers: 1 }),
    data: tinySequences(),
    batch: 4,
    micros: 2,
    optimizer: adamw({ lr: 3e-3 }),
    steps: 50,
    mesh: { dp: 2 },
    strategies: [zero({ ...options, bucketBytes: 600 })],
    transport: memory(),
  });
  expect(found.tensors).toHaveLength(50);
  expect(accountingFailures(found)).toEqual([]);
});
