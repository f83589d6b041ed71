// The mesh of a run with fewer ranks than its script says, or more.
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import type { Mesh } from "../src/index.ts";
import { fitMesh, fitOptions } from "../src/plan/elastic.ts";
import { training } from "./small.ts";

test.each<[Mesh, readonly string[], number, Mesh]>([
  [{ pp: 2, dp: 2 }, ["dp"], 2, { pp: 2, dp: 1 }],
  [{ pp: 2, dp: 2, tp: 2 }, ["dp"], 4, { pp: 2, dp: 1, tp: 2 }],
  [{ dp: 4 }, ["dp"], 3, { dp: 3 }],
  [{ dp: 4 }, ["dp"], 8, { dp: 8 }],
  [{ replica: 2, dp: 2 }, ["replica", "dp"], 2, { replica: 1, dp: 2 }],
  [{ replica: 2, dp: 3 }, ["replica", "dp"], 4, { replica: 2, dp: 2 }],
  [{ pp: 4 }, [], 4, { pp: 4 }],
])("%j, batch along %j, with %i ranks", (mesh, batch, ranks, expected) => {
  expect(fitMesh(mesh, batch, ranks)).toEqual(expected);
});

test("what cannot be is refused, with the arithmetic", () => {
  expect(() => fitMesh({ pp: 2, dp: 2 }, ["dp"], 3)).toThrow(
    "the mesh { pp: 2, dp: 2 } has no form of 3 ranks: only an axis that divides the batch may shrink or grow, and 3 / 2 members " +
      "of dp are not whole; give machines that make up whole members of it",
  );
  expect(() => fitMesh({ pp: 4 }, [], 2)).toThrow(/and it has none/);
});

test("axes are known by what strategies say of them; members that train apart stay as many", () => {
  const strategies = [pipeline({ schedule: "1f1b", micros: 2 }), zero({ axis: "data", stage: 1 })];
  const options = training({ mesh: { data: 4, pp: 2 }, strategies });
  expect(fitOptions(options, 4).mesh).toEqual({ data: 2, pp: 2 });
  expect(fitOptions(options, undefined)).toBe(options);
  const islands = { name: "islands", axis: "island", divides: "batch", independent: { every: 2 } } as const;
  const apart = training({ mesh: { island: 2 }, strategies: [islands] });
  expect(() => fitOptions(apart, 1)).toThrow(/and it has none/);
});
