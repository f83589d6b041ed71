// Optimizer state on disk through the conformance suite: the same bits, no optimizer bytes, and nothing left on the disk.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adamw, type Strategy } from "@orthant/core";
import { zero } from "@orthant/zero";
import { afterAll, describe, expect, test } from "vitest";
import { observe, pairTraining, testStrategy } from "../src/index.ts";
import { disk } from "../strategies/disk.ts";
import { diskFixture } from "../strategies/fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("conforms", () => {
  for (const { name, run } of testStrategy(() => diskFixture)) test(name, run);
});

const training = { ...pairTraining({}), optimizer: adamw({ lr: 3e-3 }) };

test.each([1, 2, 3, 4])("beside zero 3 on %i ranks, AdamW: the bits of state in memory, in no memory", async (dp) => {
  const on = (strategies: readonly Strategy[]) =>
    observe({ ...training, batch: 24, mesh: { dp }, strategies: [...strategies, zero({ stage: 3 })] });
  const [found, expected] = [await on([disk({ folder })]), await on([])];
  expect(found.losses).toEqual(expected.losses);
  expect(found.parameters).toEqual(expected.parameters);
  expect(found.outcomes.map(({ peak }) => peak.optimizer)).toEqual(Array.from({ length: dp }, () => 0));
  expect(readdirSync(folder)).toEqual([]);
});

test("each rank has files of its own while it trains, one a parameter that it owns", async () => {
  const seen: number[] = [];
  const watch = (): Strategy => ({
    name: "watch",
    store: () => ({
      endStep: async () => void seen.push(...readdirSync(folder).map((rank) => readdirSync(join(folder, rank)).length)),
    }),
  });
  const { plan } = await observe({
    ...training,
    steps: 1,
    mesh: { dp: 2 },
    strategies: [zero({ stage: 0 }), disk({ folder }), watch()],
  });
  expect(Math.max(...seen)).toBe(plan.specs.length);
  expect(readdirSync(folder)).toEqual([]);
});
