// The comparison with one device must fail with any collective dropped, and with any enter or leave taken out.
import { describe, expect, test } from "vitest";
import { tinyGpt } from "../src/index.ts";
import type { Call } from "../src/mutate.ts";
import { bypassEach, callsOfAStep, crossingsOf, dropEach } from "../src/mutations.ts";

/** Names the collective of a call: `dp.all-gather`. */
const kindOf = ({ key }: Call) => key.split(" ")[0]!;
const kindsOf = (calls: readonly Call[]) => [...new Set(calls.map(kindOf))].toSorted();

const always = ["pp.send", "tp.all-reduce", "world.control"];

describe("a step of 2 x 2 x 2 ranks, zero 3", async () => {
  const dp = { stage: 3 } as const;
  const calls = await callsOfAStep(dp);
  const kinds = kindsOf(calls);

  test("uses every collective", () => expect(kinds).toEqual(["dp.all-gather", "dp.reduce-scatter", ...always]));

  test.each(kinds)("is noticed to be wrong without any one %s", async (kind) => {
    const mutations = await dropEach(
      dp,
      calls.filter((call) => kindOf(call) === kind),
    );
    expect(mutations.length).toBeGreaterThan(0);
    expect(mutations.filter(({ caught }) => !caught)).toEqual([]);
  });
});

describe.each([
  [{ stage: 0 } as const, ["dp.all-reduce"]],
  [{ stage: 3, gather: "step" } as const, ["dp.all-gather", "dp.reduce-scatter"]],
])("a step of 2 x 2 x 2 ranks, zero %j", async (dp, own) => {
  const calls = await callsOfAStep(dp);

  test("uses every collective", () => expect(kindsOf(calls)).toEqual([...own, ...always]));

  test.each(own)("is noticed to be wrong without any one %s", async (kind) => {
    const mutations = await dropEach(
      dp,
      calls.filter((call) => kindOf(call) === kind),
    );
    expect(mutations.filter(({ caught }) => !caught)).toEqual([]);
  });
});

test("a model is noticed to be wrong with any one enter or leave forced out", async () => {
  const mutations = await bypassEach();
  expect(mutations.length).toBe(4 * 2);
  expect(mutations.filter(({ caught }) => !caught)).toEqual([]);
});

test("each block of a GPT enters twice and leaves twice", async () => {
  const crossings = await crossingsOf(tinyGpt());
  expect(crossings.filter(({ kind }) => kind === "enter").length).toBe(8);
  expect(crossings.filter(({ kind }) => kind === "leave").length).toBe(8);
});
