// Frozen parameters against one device that freezes the same, and what they cost: nothing but their values.
import { plan, type Strategy } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { zbH1 } from "../schedules/zb-h1.ts";
import { accountingFailures } from "../src/index.ts";
import { context } from "../strategies/context.ts";
import { frozenFixture } from "../strategies/fixtures.ts";
import { freeze } from "../strategies/frozen.ts";
import { expectAsAlone, optionsOf, run, sizesTests } from "./fixtures.ts";

const [frozen] = frozenFixture.make({ size: 1, batch: "dp", beside: [] }).strategies as [Strategy];
const names = ["embed.tokens", "embed.positions", "0.norm1.gain", "0.norm1.bias", "2.attn.key"];

sizesTests(frozenFixture, [frozen]);

const stages = (schedule: "1f1b" | typeof zbH1 = "1f1b"): Strategy => pipeline({ schedule, micros: 2 });
const mesh = { pp: 2, dp: 2, tp: 2 };

test.each([
  ["zero 3", { mesh, strategies: [frozen, tensorParallel(), stages(), zero({ stage: 3 })] }],
  [
    "zero 3, gathered once a step",
    { mesh, strategies: [tensorParallel(), stages(), zero({ stage: 3, gather: "step" }), frozen] },
  ],
  ["context", { mesh: { cp: 3 }, strategies: [context(), frozen], features: { ring: true } }],
  [
    "tied, on two stages",
    { mesh: { pp: 3 }, strategies: [frozen, stages()], features: { tied: true }, recompute: true },
  ],
])("%s: as one device", async (_, how) => {
  await expectAsAlone(how, [frozen]);
});

test("a backward in halves gathers what is frozen for the half that reads it, as planned", async () => {
  const on = (schedule: "1f1b" | typeof zbH1) =>
    run({ mesh, strategies: [tensorParallel(), stages(schedule), zero({ stage: 3 }), frozen] });
  const [halves, whole] = [await on(zbH1), await on("1f1b")];
  expect(accountingFailures(halves)).toEqual([]);
  expect(halves.losses).toEqual(whole.losses);
});

test("values stay, and have no optimizer state and no gradient", async () => {
  const options = optionsOf({ strategies: [frozen] });
  const all = await plan(optionsOf({}));
  const { ranks } = await plan(options);
  const bytes =
    4 * all.specs.reduce((n, { name, shape }) => (names.includes(name) ? n + shape.reduce((a, b) => a * b) : n), 0);
  expect(all.ranks[0]!.bytes.optimizer - ranks[0]!.bytes.optimizer).toBe(bytes);
  const [short, long] = [await run({ ...options, steps: 1 }), await run(options)];
  for (const [name, value] of long.parameters[0]!)
    if (names.includes(name)) expect(value).toEqual(short.parameters[0]!.get(name));
    else expect(value).not.toEqual(short.parameters[0]!.get(name));
});

test("all but the head: as one device", async () => {
  const { specs } = await plan(optionsOf({}));
  const most = freeze(specs.flatMap(({ name }) => (name.startsWith("head.") ? [] : [name])));
  await expectAsAlone({ mesh: { pp: 2, tp: 2 }, strategies: [stages(), tensorParallel(), most] }, [most]);
});
