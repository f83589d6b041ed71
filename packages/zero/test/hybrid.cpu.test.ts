// Hybrid sharding (Zhao et al.: PyTorch FSDP, VLDB 2023, section 3.2.2) is two strategies: parameters sharded along one axis, what
// is left of each gradient summed along another. Bytes between replicas are those of one chunk, not of a whole parameter.
import { sgd } from "@orthant/core";
import { mlp } from "@orthant/nn";
import { accountingFailures, errorsBetween, heldFailures, type Observed, observe } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const steps = 3;
const model = mlp({ inputs: 5, outputs: 2, layers: 2, width: 7 });
const field = (size: number) => ({ shape: [size], dtype: "float32" }) as const;
const numbers = (size: number, i: number) => Float32Array.from({ length: size }, (_, j) => Math.sin(i * size + j));
const data = {
  input: field(5),
  target: field(2),
  tokens: 1,
  sample: (i: number) => ({ input: numbers(5, i), target: numbers(2, i) }),
};

const run = (dp: number, replica: number, options: Omit<ZeroOptions, "axis">): Promise<Observed> =>
  observe({
    model,
    data,
    batch: 24,
    micros: 2,
    mesh: { replica, dp },
    strategies: [zero({ ...options, axis: "dp" }), zero({ stage: 0, axis: "replica" })],
    optimizer: sgd({ lr: 1e-2, momentum: 0.9 }),
    steps,
    clip: 1,
  });

const alone = await run(1, 1, { stage: 0 });
const sharded: readonly Omit<ZeroOptions, "axis">[] = [
  { stage: 1 },
  { stage: 2, bucketBytes: 60 },
  { stage: 3 },
  { stage: 3, gather: "micro", persist: 7, bucketBytes: 60 },
  { stage: 3, gather: "step" },
  { stage: 3, offload: { optimizer: "host", params: "host" } },
];

describe.each([
  { dp: 2, replica: 2 },
  { dp: 3, replica: 2 },
  { dp: 2, replica: 3 },
])("dp $dp, replica $replica", ({ dp, replica }) => {
  test.each(sharded)("as one device, in bytes and numbers: %j", async (options) => {
    const whole = await run(dp, replica, { stage: 0 });
    const found = await run(dp, replica, options);
    expect(found.losses).toEqual(whole.losses);
    const { loss, gradient, parameter } = errorsBetween(found, alone);
    expect(Math.max(loss, gradient!, parameter)).toBeLessThan(2e-6);
    expect([...heldFailures(found), ...accountingFailures(found)]).toEqual([]);
  });

  test("replicas send each other one chunk's sums", async () => {
    const { plan, sent } = await run(dp, replica, { stage: 3 });
    const elements = plan.specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(sent.replica).toBe(steps * 2 * (replica - 1) * 4 * elements);
  });
});
