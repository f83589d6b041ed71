// Layers to stages: against every contiguous split there is, and by hand where ties decide.
import { expect, test } from "vitest";
import { splitByCost } from "../src/index.ts";

/** Every way to cut `layers` into `stages` runs of one or more. */
const everySplit = (layers: number, stages: number): number[][] =>
  stages === 1
    ? [[layers]]
    : Array.from({ length: layers - stages + 1 }, (_, i) => i + 1).flatMap((first) =>
        everySplit(layers - first, stages - 1).map((rest) => [first, ...rest]),
      );

const stageCosts = (costs: readonly number[], split: readonly number[]): number[] => {
  const rest = [...costs];
  return split.map((count) => rest.splice(0, count).reduce((a, b) => a + b, 0));
};

const models = [
  [1, 1, 1, 1, 1, 1, 1, 1],
  [5, 1, 1, 1, 1, 9],
  [0, 0, 7, 0, 0],
  [3, 1, 4, 1, 5, 9, 2, 6],
  [2, 2, 2],
];

test("no contiguous split has a smaller largest stage, and none is empty", () => {
  for (const costs of models)
    for (let stages = 1; stages <= costs.length; stages++) {
      const split = splitByCost(costs, stages);
      const least = Math.min(...everySplit(costs.length, stages).map((s) => Math.max(...stageCosts(costs, s))));
      expect(Math.max(...stageCosts(costs, split))).toBe(least);
      expect(split).toHaveLength(stages);
      expect(Math.min(...split)).toBeGreaterThan(0);
      expect(split.reduce((a, b) => a + b)).toBe(costs.length);
    }
});

test("equal layers are spread evenly, the shorter stages first", () => {
  const ones = (layers: number) => Array.from({ length: layers }, () => 1);
  expect(splitByCost(ones(8), 4)).toEqual([2, 2, 2, 2]);
  expect(splitByCost(ones(5), 2)).toEqual([2, 3]);
  expect(splitByCost(ones(9), 4)).toEqual([2, 2, 2, 3]);
});

test("one layer that dominates does not leave the rest uneven", () => {
  expect(splitByCost([10, 1, 1, 1, 1], 3)).toEqual([1, 2, 2]);
});
