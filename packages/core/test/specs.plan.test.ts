// Parameters as data: ties make one of several, strategies cut them, and what does not fit is refused with the arithmetic.
import { describe, expect, test } from "vitest";
import type { LayerParam, Mesh, ParamSpec, Strategy } from "../src/index.ts";
import type { AnyLayer } from "../src/model/model.ts";
import { dealSpecs, specsByUse, usedBy, usesIn } from "../src/plan/specs.ts";

const weight = (name: string, more: Partial<LayerParam> = {}): LayerParam => ({
  name,
  shape: [6, 4],
  init: { kind: "constant", value: 1 },
  ...more,
});
const layer = (name: string, ...params: LayerParam[]): AnyLayer => ({
  name,
  params,
  forward: async (_, x) => x,
});
const cutting = (axis: string, cut: number | "flat"): Strategy => ({
  name: axis,
  axis,
  split: (param) => ({ ...param, split: { ...param.split, [axis]: cut } }),
});
const deal = (layers: readonly AnyLayer[], strategies: readonly Strategy[] = [], mesh: Mesh = {}): ParamSpec[] =>
  dealSpecs(layers, strategies, mesh);

const tied = [
  layer("embed", weight("tokens", { tie: "words" }), weight("positions")),
  layer("0", weight("w")),
  layer("head", weight("bias"), weight("weight", { tie: "words", init: { kind: "constant", value: 2 } })),
];

describe("tied parameters", () => {
  test("are one, named and valued as its first use; uses are in the model's order", () => {
    const specs = deal(tied);
    expect(specs.map(({ name }) => name)).toEqual(["embed.tokens", "embed.positions", "0.w", "head.bias"]);
    expect(specs[0]).toEqual({
      name: "embed.tokens",
      shape: [6, 4],
      init: { kind: "constant", value: 1 },
      uses: [
        { name: "embed.tokens", layer: 0 },
        { name: "head.weight", layer: 2 },
      ],
      split: {},
    });
  });

  test("are found by every use, and in every layer that has one", () => {
    const specs = deal(tied);
    expect(specsByUse(specs).get("head.weight")).toBe(specs[0]);
    expect(usedBy(specs, [2]).map(({ name }) => name)).toEqual(["embed.tokens", "head.bias"]);
    expect(usedBy(specs, [0, 2]).filter((spec) => spec === specs[0])).toHaveLength(1);
    expect(usesIn(specs[0]!, [1, 2]).map(({ name }) => name)).toEqual(["head.weight"]);
  });

  test("may be tied within one layer, and a tie is no name", () => {
    const specs = deal([layer("a", weight("x", { tie: "a.y" }), weight("y"), weight("z", { tie: "a.y" }))]);
    expect(specs.map(({ name, uses }) => [name, uses.length])).toEqual([
      ["a.x", 2],
      ["a.y", 1],
    ]);
  });

  test("of two shapes are refused", () => {
    const layers = [
      layer("embed", weight("tokens", { tie: "t" })),
      layer("head", weight("w", { tie: "t", shape: [4, 6] })),
    ];
    expect(() => deal(layers)).toThrow(
      'embed.tokens and head.w are tied as "t" and have shapes [6, 4] and [4, 6]: give both one shape, and transpose in a segment',
    );
  });

  test("are refused where one is frozen", () => {
    const layers = [layer("embed", weight("t", { tie: "t" })), layer("head", weight("w", { tie: "t", frozen: true }))];
    expect(() => deal(layers)).toThrow(
      'embed.t and head.w are tied as "t" and one of them is frozen: freeze both or none',
    );
    const both = [0, 1].map((i) => layer(`${i}`, weight("w", { tie: "t", frozen: true })));
    expect(deal(both)).toMatchObject([{ frozen: true, uses: [{ layer: 0 }, { layer: 1 }] }]);
  });
});

describe("cuts", () => {
  test("are made in the order of the strategies", () => {
    const [spec] = deal([layer("a", weight("w"))], [cutting("tp", 1), cutting("b", "flat"), cutting("a", "flat")], {
      tp: 2,
    });
    expect(Object.entries(spec!.split)).toEqual([
      ["tp", 1],
      ["b", "flat"],
      ["a", "flat"],
    ]);
  });

  test.each<[string, Strategy[], Mesh, string]>([
    ["a dim that is not there", [cutting("tp", 2)], { tp: 2 }, "tp would cut dim 2 of a.w, which has dims 0 to 1"],
    [
      "a dim that the axis does not divide",
      [cutting("tp", 1)],
      { tp: 3 },
      "tp 3 does not divide dim 1 of a.w [6, 4]: 4 / 3 is not whole; tp 1, 2, 4 would be",
    ],
    [
      "a dim that each axis divides, and both do not",
      [cutting("tp", 0), cutting("ep", 0)],
      { tp: 2, ep: 2 },
      "tp 2 x ep 2 does not divide dim 0 of a.w [6, 4]: 6 / 4 is not whole; tp 1, 3 would be",
    ],
  ])("refused: %s", (_, strategies, mesh, message) => {
    expect(() => deal([layer("a", weight("w"))], strategies, mesh)).toThrow(message);
  });

  test("several axes may cut one dim, and a flat cut fits any size", () => {
    const strategies = [cutting("tp", 0), cutting("ep", 0), cutting("dp", "flat")];
    expect(() => deal([layer("a", weight("w"))], strategies, { tp: 2, ep: 3, dp: 7 })).not.toThrow();
  });
});

test("two parameters of one name are refused", () => {
  expect(() => deal([layer("a", weight("w")), layer("a", weight("w"))])).toThrow(
    "two parameters are named a.w: give each layer its own name",
  );
});
