// Dropout drops the same elements on every mesh, and again where a segment is recomputed.
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { zbH1 } from "../schedules/zb-h1.ts";
import { context } from "../strategies/context.ts";
import { dropoutFixture } from "../strategies/dropout.ts";
import { experts } from "../strategies/experts.ts";
import { expectAsAlone, run, sizesTests } from "./fixtures.ts";

const features = { dropout: true };

sizesTests(dropoutFixture);

test.each([
  [1, 1],
  [2, 1],
  [1, 2],
])("dp %i tp %i: the same bits on any stages and ZeRO stage, with and without recompute", async (dp, tp) => {
  const on = (pp: number, stage: 0 | 3, schedule: "1f1b" | typeof zbH1 = "1f1b") => ({
    features,
    mesh: { pp, dp, tp },
    strategies: [tensorParallel(), pipeline({ schedule, micros: 2 }), zero({ stage })],
  });
  const { losses } = await expectAsAlone(on(1, 0));
  for (const how of [on(1, 3), on(2, 3), on(4, 0, zbH1)])
    for (const recompute of [false, true]) expect((await run({ ...how, recompute })).losses).toEqual(losses);
});

test("something is dropped, and something else in the next step", async () => {
  const [dropped, plain] = [await run({ features }), await run({})];
  const ratios = dropped.losses.map((loss, step) => loss / plain.losses[step]!);
  expect(new Set(ratios).size).toBe(2);
  expect(ratios.every((ratio) => Math.abs(ratio - 1) > 1e-3)).toBe(true);
});

test("samples and positions that are held elsewhere drop the same", async () => {
  await expectAsAlone({
    features: { dropout: true, ring: true, experts: true },
    mesh: { ep: 2, cp: 2 },
    strategies: [experts(), context()],
    recompute: true,
  });
});
