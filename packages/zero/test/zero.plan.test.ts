// What zero() decides: bytes held and sent as in the paper's table, passes over a schedule, and what it refuses.
import { adamw, elements, parseSchedule, plan, printSchedule } from "@orthant/core";
import { tiny, tinyGpt, tinySequences } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { withUnshard, type ZeroOptions, zero } from "../src/index.ts";

const on = (dp: number, options: ZeroOptions) =>
  plan({
    model: tinyGpt(),
    data: tinySequences(),
    batch: 12,
    optimizer: adamw({ lr: 1e-3 }),
    steps: 1,
    mesh: { dp },
    strategies: [zero(options)],
  });

/** Parameters of the tiny GPT. */
const psi = (await on(1, { stage: 0 })).ranks[0]!.bytes.params / 4;
/** Parameters of its largest segment, the MLP: up, bias, down. */
const widest = 8 * tiny.width ** 2 + 4 * tiny.width;

test.each([1, 2, 3] as const)("stage %i cuts nothing along an axis of one member", async (stage) => {
  const { specs } = await on(1, { stage });
  expect(specs.filter(({ split, shard }) => Object.keys(split).length > 0 || shard?.length)).toEqual([]);
});

describe.each([1, 2, 4])("dp %i", (dp) => {
  const part = ((dp - 1) / dp) * dp; // (N-1)/N of the elements, from each of N ranks

  test("stage 0 holds 16 bytes a parameter and sends 2 Psi (N-1)/N elements", async () => {
    const { ranks, sent } = await on(dp, { stage: 0 });
    for (const { bytes } of ranks) expect(bytes.params + bytes.grads + bytes.optimizer).toBe(16 * psi);
    expect(sent.dp).toBe(4 * 2 * psi * part);
  });

  test.each([1, 2] as const)("stage %i holds the table's bytes and sends 2 Psi (N-1)/N elements", async (stage) => {
    const { ranks, sent } = await on(dp, { stage, bucketBytes: 0 });
    const grads = stage === 1 || dp === 1 ? psi : psi / dp + (widest * (dp - 1)) / dp;
    for (const { bytes } of ranks) expect([bytes.params, bytes.optimizer]).toEqual([4 * psi, (8 * psi) / dp]);
    for (const { bytes } of ranks) expect(bytes.grads).toBeLessThanOrEqual(4 * grads);
    expect(sent.dp).toBe(4 * 2 * psi * part);
  });

  test("stage 3 with one gather a micro sends what stage 2 does", async () => {
    const { sent } = await on(dp, { stage: 3, gather: "micro" });
    expect(sent.dp).toBe(4 * 2 * psi * part);
  });

  test("stage 3 keeps 1/N of parameters and optimizer state, and gathers again only what a backward reads", async () => {
    const { ranks, sent, model } = await on(dp, { stage: 3, bucketBytes: 0, prefetch: 0 });
    const again = model.layers.flatMap(({ segments }) => segments.flatMap((segment) => segment.reread));
    const reread = again.reduce((sum, { shape }) => sum + elements(shape), 0);
    expect(reread).toBeLessThan(psi);
    const gathered = dp > 1 ? widest : 0;
    for (const { bytes } of ranks)
      expect([bytes.params, bytes.optimizer]).toEqual([4 * (psi / dp + gathered), (8 * psi) / dp]);
    expect(sent.dp).toBe(4 * (2 * psi + reread) * part);
  });

  test("stage 3 with one gather a step holds all parameters and sends 2 Psi (N-1)/N elements", async () => {
    const { ranks, sent } = await on(dp, { stage: 3, gather: "step" });
    const gathered = dp > 1 ? psi : 0;
    for (const { bytes } of ranks) expect(bytes.params).toBe(4 * (psi / dp + gathered));
    expect(sent.dp).toBe(4 * 2 * psi * part);
  });
});

describe("passes", () => {
  const schedule = parseSchedule(
    "0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0B0 0RECV_B1 0B1\n1RECV_F0 1F0 1B0 1SEND_B0 1RECV_F1 1F1 1B1 1SEND_B1",
  );

  test("parameters are there from the first action to the last backward", () => {
    const lines = printSchedule(withUnshard(schedule))
      .split("\n")
      .map((line) => line.split(" "));
    expect(lines.map((line) => [line[0], line.at(-1)])).toEqual([
      ["0UNSHARD", "0RESHARD"],
      ["1UNSHARD", "1RESHARD"],
    ]);
  });

  test("what is whole already is not gathered again", () => {
    const once = withUnshard(schedule);
    expect(withUnshard(once)).toEqual(once);
  });
});

test.each([
  [{ stage: 4 }, "the stages there are: 0, 1, 2, 3"],
  [{ stage: 3, gather: "layer" }, 'give "segment" (least memory), "micro" or "step" (fewest bytes sent)'],
  [{ stage: 3, prefetch: -1 }, "give a whole number of buckets, from 0"],
  [{ stage: 2, bucketBytes: -1 }, "give a number from 0"],
])("refuses %j", (options, message) => {
  expect(() => zero(options as ZeroOptions)).toThrow(message);
});
