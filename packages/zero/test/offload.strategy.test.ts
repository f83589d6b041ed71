// Offload: the same losses to the last bit, exactly the bytes that were planned, a model larger than the cap, and disks that fail.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adamw,
  type Layer,
  type Model,
  memory,
  type Plan,
  plan,
  type Strategy,
  type TrainOptions,
  totalOf,
  train,
} from "@orthant/core";
import { arrays, segments } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { accountingFailures, heldFailures, observe, tinyGpt, tinySequences } from "@orthant/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "orthant-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const job = (mesh: TrainOptions["mesh"] & {}, strategies: readonly Strategy[]): TrainOptions => ({
  model: tinyGpt(),
  data: tinySequences(),
  batch: 12,
  optimizer: adamw({ lr: 1e-2 }),
  steps: 3,
  clip: 1,
  mesh,
  strategies,
});

const places: NonNullable<ZeroOptions["offload"]>[] = [
  { optimizer: "host" },
  { optimizer: "disk" },
  { params: "disk" },
  { optimizer: "host", params: "disk" },
  { optimizer: "disk", params: "disk" },
];
const cases = places.flatMap((offload) =>
  ([0, 1, 2, 3] as const).flatMap((stage) =>
    offload.params && stage < 3
      ? []
      : [1, 3].map((dp) => ({ dp, zero: { stage, bucketBytes: 700, offload } as const })),
  ),
);
const more = (["micro", "step"] as const).map((gather) => ({
  dp: 2,
  zero: { stage: 3, gather, persist: 9, bucketBytes: 700, offload: { optimizer: "disk", params: "disk" } } as const,
}));

describe.each([...cases, ...more])("dp $dp, $zero", ({ dp, zero: options }) => {
  test("losses are those of training without offload, bytes those of plan, and nothing is left", async () => {
    const { offload, ...rest } = options;
    const disk = Object.values(offload).includes("disk");
    const found = await observe(job({ dp }, [zero({ ...rest, offload: { ...offload, ...(disk && { folder }) } })]));
    const expected = await observe(job({ dp }, [zero(rest)]));
    expect(found.losses).toEqual(expected.losses);
    expect([...heldFailures(found), ...accountingFailures(found)]).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("works under a pipeline", async () => {
  const strategies = (options: Partial<ZeroOptions>) => [
    pipeline({ schedule: "1f1b", micros: 2 }),
    zero({ stage: 3, ...options }),
  ];
  const offload = { optimizer: "disk", params: "disk", folder } as const;
  const found = await observe(job({ pp: 2, dp: 2 }, strategies({ offload })));
  const expected = await observe(job({ pp: 2, dp: 2 }, strategies({})));
  expect(found.losses).toEqual(expected.losses);
  expect(heldFailures(found)).toEqual([]);
});

describe("a cap on a rank's bytes", () => {
  const width = 64;
  const layer = (name: string): Layer => ({
    name,
    params: [
      { name: "weight", shape: [width, width], init: { kind: "normal", std: 0.1 } },
      { name: "bias", shape: [width], init: { kind: "constant", value: 0 } },
    ],
    forward: (tape, x) => tape.local(segments.linear, name, x),
  });
  const model: Model = {
    name: "deep",
    layers: Array.from({ length: 64 }, (_, i) => layer(`${i}`)),
    loss: (tape, y, target) => tape.local(segments.squaredError, "", y, target),
  };
  const inputs = Array.from({ length: 32 }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(i * width + j)));
  const wide = (offload: ZeroOptions["offload"], capBytes?: number): TrainOptions => ({
    model,
    data: arrays({ inputs, targets: inputs }),
    batch: 16,
    mesh: { dp: 16 },
    strategies: [zero({ stage: 3, bucketBytes: 0, prefetch: 0, ...(offload && { offload }) })],
    optimizer: adamw({ lr: 1e-3 }),
    steps: 2,
    ...(capBytes && { capBytes }),
  });
  const parameterBytes = ({ specs }: Plan) =>
    4 * specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

  test("a model whose parameters alone are 8 times the cap trains from disk", async () => {
    const capBytes = Math.floor(parameterBytes(await plan(wide(undefined))) / 8);
    const offload = { optimizer: "disk", params: "disk", folder } as const;
    await expect(plan(wide(undefined, capBytes))).rejects.toThrow(
      /rank \d+ \(dp \d+\) needs parameters \d+ \+ gradients/,
    );
    const found = await observe(wide(offload, capBytes));
    expect(found.losses).toEqual((await observe(wide(undefined))).losses);
    for (const { bytes } of found.plan.ranks) expect(totalOf(bytes)).toBeLessThanOrEqual(capBytes);
  });
});

describe("refuses", () => {
  const quiet = { run: false, quiet: true, transport: memory() } as const;

  test("a folder that cannot be written, at the start", async () => {
    const offload = { optimizer: "disk", folder: join(folder, "none") } as const;
    await expect(train({ ...job({ dp: 2 }, [zero({ stage: 1, offload })]), ...quiet })).rejects.toThrow(
      `offload to disk: cannot write in ${join(folder, "none")}`,
    );
  });

  test("two strategies that say where values rest", async () => {
    const two = ["a", "b"].map((axis) => zero({ stage: 0, axis, offload: { optimizer: "host" } }));
    await expect(plan(job({ a: 1, b: 1 }, two))).rejects.toThrow(
      "zero(a) and zero(b) both say where values rest (offload): let one of them do it",
    );
  });

  test.each([
    [{ stage: 2, offload: { params: "host" } }, "only stage 3 gathers parameters for their use: use stage: 3"],
    [{ stage: 2, offload: { optimizer: "tape" } }, 'give "host" or "disk"'],
    [{ stage: 2, offload: { optimizer: "host", folder: "x" } }, "nothing goes to disk"],
  ])("%j", (options, message) => {
    expect(() => zero(options as ZeroOptions)).toThrow(message);
  });
});
