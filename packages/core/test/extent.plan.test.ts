// What two cuts of one parameter share, against the naive way: the whole, element by element.
import { describe, expect, test } from "vitest";
import { type Extent, extentOf, stretchesBetween, wholeExtent } from "../src/checkpoint/extent.ts";
import { coordsOf, elements, type Mesh, meshSize, type ParamSpec } from "../src/index.ts";
import { eachKept } from "../src/params/params.ts";

const shape = [6, 4, 2];
const spec = (split: ParamSpec["split"], whole: readonly number[] = shape): ParamSpec => ({
  name: "0.weight",
  shape: whole,
  init: { kind: "constant", value: 0 },
  uses: [{ name: "0.weight", layer: 0 }],
  split,
});

/** Positions in the whole parameter of what each rank keeps. */
const keptBy = (cut: ParamSpec, mesh: Mesh): { extent: Extent; kept: number[] }[] =>
  Array.from({ length: meshSize(mesh) }, (_, rank) => {
    const kept: number[] = [];
    eachKept(cut, mesh, coordsOf(mesh, rank), (i, g) => {
      kept[i] = g;
    });
    return { extent: extentOf(cut, mesh, coordsOf(mesh, rank)), kept };
  });

const cuts: [ParamSpec["split"], Mesh][] = [
  [{}, {}],
  [{ a: 0 }, { a: 3 }],
  [{ a: 1 }, { a: 4 }],
  [{ a: 2 }, { a: 2 }],
  [{ a: "flat" }, { a: 5 }],
  [{ a: "flat" }, { a: 7 }],
  [
    { a: 1, b: "flat" },
    { a: 2, b: 3 },
  ],
  [
    { a: 0, b: 2 },
    { a: 2, b: 2 },
  ],
  [
    { a: "flat", b: "flat", c: 0 },
    { a: 3, b: 2, c: 2 },
  ],
];

describe.each(cuts)("stored as %j on %j", (split, mesh) => {
  test.each(cuts)("wanted as %j on %j: every element once, where it belongs", (other, otherMesh) => {
    const stored = keptBy(spec(split), mesh);
    for (const { extent, kept } of keptBy(spec(other), otherMesh)) {
      const found: (number | undefined)[] = kept.map(() => undefined);
      for (const piece of stored)
        for (const { from, to, count } of stretchesBetween(piece.extent, extent))
          for (let i = 0; i < count; i++) found[to + i] = piece.kept[from + i];
      expect(found).toEqual(kept);
    }
  });
});

test("rows that follow each other are one run", () => {
  const whole = wholeExtent(shape);
  expect([...stretchesBetween(whole, whole)]).toEqual([{ from: 0, to: 0, count: elements(shape) }]);
  const half = { ...whole, start: [3, 0, 0], shape: [3, 4, 2], to: 24 };
  expect([...stretchesBetween(whole, half)]).toEqual([{ from: 24, to: 0, count: 24 }]);
  expect([...stretchesBetween(half, whole)]).toEqual([{ from: 0, to: 24, count: 24 }]);
});

test("scalars, and parameters without an element", () => {
  expect([...stretchesBetween(wholeExtent([]), wholeExtent([]))]).toEqual([{ from: 0, to: 0, count: 1 }]);
  expect([...stretchesBetween(wholeExtent([0, 4]), wholeExtent([0, 4]))]).toEqual([]);
});
