// A schedule of a user's own, with backward in halves, trains to the bits of the schedules that the package knows.
import { gpt } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { expect, test } from "vitest";
import { zbH1 } from "../schedules/zb-h1.ts";
import { observe, tiny, tinySequences, underAdamw } from "../src/index.ts";

test.each([2, 4])("zb-h1 on %i ranks: the losses of 1f1b, bit for bit", async (pp) => {
  const losses = async (schedule: "1f1b" | typeof zbH1) =>
    (
      await observe({
        ...underAdamw(),
        model: gpt(tiny),
        data: tinySequences(),
        batch: 8,
        steps: 5,
        mesh: { pp },
        strategies: [pipeline({ schedule, micros: 4 })],
      })
    ).losses;
  expect(await losses(zbH1)).toEqual(await losses("1f1b"));
});
