// Training over the wires: the conformance suite, how far losses are from float32's, and refusals.
import { plan } from "@orthant/core";
import { type Fixture, heldFailures, lossError, observe, testStrategy } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";
import { wireJob } from "./wire-job.ts";

const options: readonly (ZeroOptions & { tolerance: number })[] = [
  { stage: 0, wire: "bf16", tolerance: 0.01 },
  { stage: 3, wire: { gather: "bf16", reduce: "int8" }, tolerance: 0.1 },
];

describe.each(options)("$stage over $wire", ({ tolerance, ...option }) => {
  const fixture: Fixture = {
    name: "zero",
    tolerance,
    make: ({ size, batch }) => ({ mesh: { [batch]: size }, strategies: [zero({ ...option, axis: batch })] }),
  };
  for (const { name, run } of testStrategy(() => fixture, { sizes: [1, 2, 3], beside: [] })) test(name, run);
});

describe("machines of two", () => {
  const fixture: Fixture = {
    name: "zero",
    make: ({ size, batch }) => ({
      mesh: { [batch]: size },
      strategies: [zero({ stage: 2, axis: batch, machine: Math.min(size, 2) })],
    }),
  };
  for (const { name, run } of testStrategy(() => fixture, { sizes: [1, 2, 4], beside: [] })) test(name, run);
});

describe.each([0, 1, 2, 3] as const)("stage %i", (stage) => {
  test.each([
    ["bf16", 0.005],
    ["int8", 0.05],
  ] as const)(
    "%s stays within its distance of the float32 losses, holds and sends what was planned",
    async (wire, most) => {
      const exact = await observe(wireJob(3, { stage }, 30));
      const found = await observe(wireJob(3, { stage, wire, bucketBytes: 2000 }, 30));
      expect(lossError(found.losses, exact.losses)).toBeLessThan(most);
      expect(found.losses).not.toEqual(exact.losses);
      expect(heldFailures(found)).toEqual([]);
      expect(found.sent.dp).toBe(found.plan.sent.dp! * 30);
      expect(found.leaked).toBe(0);
    },
  );
});

test.each([
  [{ stage: 0, wire: "fp8" }, 'the precisions there are: "f32", "bf16", "int8"'],
  [{ stage: 3, wire: { gather: "f16" } }, 'the precisions there are: "f32", "bf16", "int8"'],
  [{ stage: 0, wire: { block: 0 } }, "give the elements that share a scale, from 1"],
  [{ stage: 0, machine: 0 }, "give the number of members on one machine, from 1"],
])("refuses %j", (option, message) => {
  expect(() => zero(option as ZeroOptions)).toThrow(message);
});

test("machines that do not divide the axis are refused with the arithmetic", async () => {
  await expect(plan(wireJob(3, { stage: 2, machine: 2 }, 1))).rejects.toThrow("3 members are 3 / 2 machines");
});
