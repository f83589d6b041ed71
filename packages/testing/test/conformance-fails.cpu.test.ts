// The conformance suite fails strategies that are wrong in ways that do not show by themselves.
import { elements, type Strategy } from "@orthant/core";
import { describe, expect, test } from "vitest";
import { testStrategy } from "../src/index.ts";

/** Data parallelism that sums gradients once a step: right, as it is. */
const summing = (over: Partial<Strategy> = {}): Strategy => ({
  name: "summing",
  axis: "dp",
  divides: "batch",
  store: (_, { group }) => ({ reduce: (names, grads, at) => group("dp").allReduce(grads, `${at.key} ${names[0]}`) }),
  cost: ({ reductions, gradShape }) => ({
    calls: reductions.map((params) => ({ op: "allReduce", sizes: params.map((p) => elements(gradShape(p))) })),
  }),
  ...over,
});

/** What each failing case says, by the beginning of its name. */
async function failuresOf(make: () => Strategy): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  for (const { name, run } of testStrategy(make, { sizes: [1, 2], beside: [] }))
    await run().catch((error: Error) => failures.set(name, error.message));
  return failures;
}

test("summing gradients passes", async () => expect(await failuresOf(() => summing())).toEqual(new Map()));

describe("fails", () => {
  test("one whose members all compute the same samples, with the numbers", async () => {
    const { divides: _, ...shared } = summing();
    const mean: Strategy = {
      ...shared,
      store: (_, { group }) => ({
        async reduce(names, grads, at) {
          const sums = await group("dp").allReduce(grads, `${at.key} ${names[0]}`);
          return sums.map((sum) => {
            const mean = sum.div(group("dp").size);
            sum.dispose();
            return mean;
          });
        },
      }),
    };
    const failures = await failuresOf(() => mean);
    expect([...failures.keys()]).toEqual(["its members do not all compute the same"]);
    expect([...failures.values()][0]).toMatch(
      /^the 2 members of dp compute (\d+) floating-point operations a step, and one alone \d+: 2 x \d+ = \1, so that nothing/,
    );
  });

  test("one that drops reduce", async () => {
    const { store: _, ...dropped } = summing();
    const failures = await failuresOf(() => ({ ...dropped, cost: () => ({ calls: [] }) }));
    expect([...failures.keys()]).toEqual(["as one device, dp 2"]);
    expect([...failures.values()][0]).toMatch(/gradient error .* is over 0.00001/);
  });

  test.each<[string, Partial<Strategy>, RegExp]>([
    ["that says nothing", { cost: () => ({ calls: [] }) }, /^dp sent \d+ bytes in 4 steps; cost\(\) says 0 x 4 = 0$/],
    [
      "of half the bytes",
      { cost: (input) => ({ calls: summing().cost!(input).calls.map((call) => ({ ...call, op: "reduceScatter" })) }) },
      /^dp sent (\d+) bytes in 4 steps; cost\(\) says \d+ x 4 = \d+$/,
    ],
    [
      "of memory that it does not save",
      { cost: (input) => ({ ...summing().cost!(input), held: () => ({ optimizer: -4 }) }) },
      /^rank 0 held \d+ bytes of optimizer; planned were \d+\nrank 1 held/,
    ],
  ])("one with a cost %s", async (_, lie, message) => {
    expect((await failuresOf(() => summing(lie))).get("as one device, dp 2")).toMatch(message);
  });
});

test("a strategy that is refused beside another, unexpectedly, fails with plan's reason", async () => {
  const greedy = (): Strategy => summing({ stages: ({ layers }) => [layers.map((_, i) => i)] });
  const beside = testStrategy(greedy).find(({ name }) => name.startsWith("beside pipeline"));
  await expect(beside!.run()).rejects.toThrow(/cut the layers: keep one/);
});
