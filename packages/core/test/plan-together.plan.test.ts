// What plan() makes of several strategies on one mesh: who trains on which samples, what is held while shards of shards are
// gathered, what each is told of the cuts of the others, and which do not go together.
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";
import { describe, expect, test } from "vitest";
import {
  adamw,
  type CostInput,
  elements,
  type HeldInput,
  plan,
  type Strategy,
  type TrainOptions,
} from "../src/index.ts";

const options = (mesh: TrainOptions["mesh"], strategies: readonly Strategy[]): TrainOptions => ({
  model: tinyGpt(),
  data: tinySequences(),
  batch: 12,
  optimizer: adamw({ lr: 1e-3 }),
  steps: 1,
  mesh: mesh!,
  strategies,
});

const islands: Strategy = { name: "islands", axis: "island", divides: "batch", independent: { every: 2 } };

test("members that train for themselves are dealt samples first, wherever the mesh names their axis", async () => {
  const strategies = [zero({ stage: 0 }), islands];
  for (const mesh of [
    { dp: 2, island: 3 },
    { island: 3, dp: 2 },
  ])
    expect((await plan(options(mesh, strategies))).roles.batch).toEqual(["island", "dp"]);
});

test("shards of shards: a segment's parameters are held whole, and as the chunk that they are gathered from", async () => {
  const on = async (mesh: { a: number; b: number }) => {
    const strategies = [zero({ stage: 3, axis: "a" }), zero({ stage: 3, axis: "b" })];
    return (await plan(options(mesh, strategies))).ranks[0]!.bytes.params;
  };
  const [whole, halves, quarters] = [await on({ a: 1, b: 1 }), await on({ a: 2, b: 1 }), await on({ a: 2, b: 2 })];
  const segment = halves - whole / 2;
  expect(quarters).toBe(whole / 4 + segment + segment / 2);
});

describe("cost is told", () => {
  const told = async (strategies: (probe: Strategy) => readonly Strategy[]) => {
    const seen = new Set<string>();
    const probe: Strategy = {
      name: "probe",
      axis: "b",
      cost({ model, gradShape, piece }: CostInput) {
        const specs = model.layers.flatMap(({ params }) => params);
        const sum = (of: (spec: (typeof specs)[number]) => number) => specs.reduce((n, spec) => n + of(spec), 0);
        seen.add(`${sum((spec) => elements(gradShape(spec)))} ${sum(piece)}`);
        return { calls: [] };
      },
    };
    await plan(options({ a: 2, b: 2 }, strategies(probe)));
    return [...seen];
  };

  test("the cuts before it as the shape it is given, all of them as what is kept", async () => {
    const psi = (await plan(options({}, []))).ranks[0]!.bytes.params / 4;
    const zeros = [zero({ stage: 3, axis: "a" }), zero({ stage: 0, axis: "b" })];
    expect(await told((probe) => [probe, ...zeros])).toEqual([`${psi} ${psi / 2}`]);
    expect(await told((probe) => [...zeros, probe])).toEqual([`${psi / 2} ${psi / 2}`]);
  });

  test("the slots of the optimizer", async () => {
    const seen = new Set<number>();
    const held = ({ slots }: HeldInput) => {
      seen.add(slots);
      return {};
    };
    const probe: Strategy = { name: "probe", cost: () => ({ calls: [], held }) };
    await plan(options({}, [probe]));
    expect([...seen]).toEqual([2]);
  });
});

test("a strategy that cuts nothing leaves those after it on its axis as they were", async () => {
  const note: Strategy = { name: "note", axis: "dp" };
  const sent = async (strategies: readonly Strategy[]) => (await plan(options({ dp: 2 }, strategies))).sent;
  expect(await sent([note, zero({ stage: 3 })])).toEqual(await sent([zero({ stage: 3 }), note]));
});

test.each<[string, readonly Strategy[], string]>([
  [
    "along an axis",
    [zero({ stage: 0 }), { name: "note", axis: "dp" }, { name: "note", axis: "dp" }],
    "note() is listed twice along dp: keep one",
  ],
  ["along none", [zero({ stage: 0 }), { name: "note" }, { name: "note" }], "note() is listed twice: keep one"],
])("refuses a strategy listed twice %s", async (_, strategies, message) => {
  await expect(plan(options({ dp: 2 }, strategies))).rejects.toThrow(message);
});
