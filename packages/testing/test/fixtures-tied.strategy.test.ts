// Tied weights on one stage and on different ones: one value, one gradient.
import type { Strategy } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { zbH1 } from "../schedules/zb-h1.ts";
import { context } from "../strategies/context.ts";
import { tiedFixture } from "../strategies/tied.ts";
import { expectAsAlone, run, sizesTests } from "./fixtures.ts";

const features = { tied: true };

sizesTests(tiedFixture);

const stages = (schedule: "1f1b" | typeof zbH1 = "1f1b"): Strategy => pipeline({ schedule, micros: 2 });

test.each([0, 3] as const)("zero %i: as one device, with the same bits on any stages", async (stage) => {
  const on = (pp: number, strategy: Strategy) => ({
    features,
    mesh: { pp, dp: 2 },
    strategies: [strategy, zero({ stage })],
  });
  const { losses } = await expectAsAlone(on(2, stages()));
  for (const pp of [1, 4])
    for (const recompute of [false, true])
      expect((await run({ ...on(pp, stages(recompute ? zbH1 : "1f1b")), recompute })).losses).toEqual(losses);
});

test("the first and the last stage end with the same value, which is one parameter", async () => {
  const { plan, parameters } = await run({ features, mesh: { pp: 3 }, strategies: [stages()] });
  expect(plan.specs.filter(({ uses }) => uses.length > 1).map(({ name }) => name)).toEqual(["embed.tokens"]);
  const [first, middle, last] = parameters.map((pieces) => pieces.get("embed.tokens"));
  expect(middle).toBeUndefined();
  expect(first).toEqual(last);
});

test("under context parallelism: as one device", async () => {
  await expectAsAlone({
    features: { tied: true, ring: true },
    mesh: { pp: 2, cp: 2 },
    strategies: [stages(), context()],
  });
});
