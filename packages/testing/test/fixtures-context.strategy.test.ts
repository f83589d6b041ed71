// Context parallelism, alone and with others, against one device.
import { plan } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { lossError } from "../src/index.ts";
import { context } from "../strategies/context.ts";
import { contextFixture } from "../strategies/fixtures.ts";
import { expectAsAlone, optionsOf, run, sizesTests } from "./fixtures.ts";

const features = { ring: true };

sizesTests(contextFixture);

test("a ring of one computes what nn's attention does", async () => {
  const [ring, plain] = [await run({ features }), await run({})];
  expect(lossError(ring.losses, plain.losses)).toBeLessThan(1e-6);
});

const mesh = { dp: 2, cp: 2, tp: 2 };

test.each([
  ["after zero 3", { mesh, strategies: [tensorParallel(), zero({ stage: 3 }), context()] }],
  ["before zero 3", { mesh, strategies: [context(), zero({ stage: 3 }), tensorParallel()], recompute: true }],
  ["under a pipeline", { mesh: { pp: 2, cp: 3 }, strategies: [pipeline({ schedule: "1f1b", micros: 2 }), context()] }],
])("%s: as one device", async (_, how) => {
  await expectAsAlone({ features, ...how });
});

test("a model of whole sequences is refused", async () => {
  const options = optionsOf({ mesh: { cp: 2 }, strategies: [context()] });
  await expect(plan(options)).rejects.toThrow("the members of cp see a part each");
});

test("an axis that does not divide the sequence is refused", async () => {
  const options = optionsOf({ features, mesh: { cp: 5 }, strategies: [context()] });
  await expect(plan(options)).rejects.toThrow("12 / 5 is not whole");
});
