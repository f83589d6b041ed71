// Expert parallelism, alone and with others, against one device.
import { plan } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { context } from "../strategies/context.ts";
import { experts } from "../strategies/experts.ts";
import { expertsFixture } from "../strategies/fixtures.ts";
import { expectAsAlone, optionsOf, sizesTests } from "./fixtures.ts";

const features = { experts: true };

sizesTests(expertsFixture);

const mesh = { dp: 2, ep: 2, tp: 2 };
const uneven = { dp: 3, ep: 2 };

test.each([
  ["after zero 3", { mesh, strategies: [tensorParallel(), zero({ stage: 3 }), experts()] }],
  ["before zero 3", { mesh, strategies: [experts(), zero({ stage: 3 }), tensorParallel()], recompute: true }],
  ["after zero 3, chunks of different sizes", { mesh: uneven, strategies: [zero({ stage: 3 }), experts()] }],
  ["before zero 0", { mesh: uneven, strategies: [experts(), zero({ stage: 0 })] }],
  ["under a pipeline", { mesh: { pp: 3, ep: 2 }, strategies: [pipeline({ schedule: "1f1b", micros: 2 }), experts()] }],
])("%s: as one device", async (_, how) => {
  await expectAsAlone({ features, ...how });
});

test("tokens of a part of each sequence find experts of every part", async () => {
  await expectAsAlone({
    features: { experts: true, ring: true },
    mesh: { ep: 2, cp: 3 },
    strategies: [context(), experts()],
  });
});

test("members hold their experts and no others", async () => {
  const { ranks } = await plan(optionsOf({ features, mesh: { ep: 4 }, strategies: [experts()] }));
  const { ranks: one } = await plan(optionsOf({ features }));
  const expertBytes = 4 * 4 * 2 * 12 * 24 * 8; // 4 blocks of 2 x [12, 24, 8]
  for (const { bytes } of ranks) expect(bytes.params).toBe(one[0]!.bytes.params - (3 / 4) * expertBytes);
});

test("data parallelism along the same axis is refused: the experts divide the batch already", async () => {
  const strategies = [experts(), zero({ stage: 0, axis: "ep" })];
  await expect(plan(optionsOf({ features, mesh: { ep: 2 }, strategies }))).rejects.toThrow("both divide the batch");
});
