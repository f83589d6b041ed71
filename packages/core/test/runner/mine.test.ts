// A user's test, which `runner.strategy.test.ts` has vitest run in its threads and in its processes.
import { train } from "@orthant/core";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { training } from "../small.ts";

test("trains twice on four ranks", async () => {
  const options = training({ mesh: { dp: 4 }, micros: 1, strategies: [zero({ stage: 3 })] });
  const [first, second] = [await train(options), await train(options)];
  expect(first.losses.length).toBe(4);
  expect(second.losses).toEqual(first.losses);
});
