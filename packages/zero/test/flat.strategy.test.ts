// Tensors do not pile up: as many at the end of each of 50 steps, in every stage, way to gather, wire, resting place, depth of
// prefetch, with persistent parameters, over machines and under a pipeline.
import { adamw, type Mesh, memory } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { accountingFailures, observe, tinyGpt, tinySequences } from "@orthant/testing";
import { expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const gathers: readonly ZeroOptions[] = [
  { stage: 0 },
  { stage: 1 },
  { stage: 2 },
  ...(["segment", "micro", "step"] as const).map((gather) => ({ stage: 3 as const, gather })),
];
const wires = (["bf16", "int8"] as const).map((wire) => ({ wire }));
const prefetches = [0, 3].map((prefetch) => ({ prefetch, persist: 9 }));
const places = (["host", "disk"] as const).flatMap((place) => [
  { offload: { optimizer: place } },
  { offload: { optimizer: place, params: place } },
]);

const fits = ({ stage, offload }: ZeroOptions): boolean => stage === 3 || !offload?.params;
const modes = gathers.flatMap((gather) =>
  [{}, ...wires, ...prefetches, ...places].map((more): ZeroOptions => ({ ...gather, ...more })).filter(fits),
);
const cases: readonly { mesh: Mesh; options: ZeroOptions }[] = [
  ...modes.map((options) => ({ mesh: { dp: 2 }, options })),
  ...gathers.map((options) => ({ mesh: { dp: 4 }, options: { ...options, machine: 2 } })),
  ...gathers.map((options) => ({ mesh: { pp: 2, dp: 2 }, options })),
];

test.each(cases)("$mesh $options", async ({ mesh, options }) => {
  const found = await observe({
    model: tinyGpt({ layers: "pp" in mesh ? 2 : 1 }),
    data: tinySequences(),
    batch: 8,
    micros: 2,
    optimizer: adamw({ lr: 3e-3 }),
    steps: 50,
    mesh,
    strategies: [
      ...("pp" in mesh ? [pipeline({ schedule: "1f1b", micros: 2 })] : []),
      zero({ ...options, bucketBytes: 600 }),
    ],
    transport: memory(),
  });
  expect(found.tensors).toHaveLength(50);
  expect(accountingFailures(found)).toEqual([]);
});
