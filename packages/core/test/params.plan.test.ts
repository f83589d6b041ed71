// Chunks, pieces, and first values that do not depend on the mesh.
import { describe, expect, test } from "vitest";
import { chunk, coordsOf, elements, keptRange, localShape, type Mesh, meshSize, type ParamSpec } from "../src/index.ts";
import { eachKept, initialValues, shapeAfter } from "../src/params/params.ts";

test.each([0, 1, 2, 5, 7, 12, 100])("%i elements: chunks follow each other and are as even as can be", (size) => {
  for (const members of [1, 2, 3, 4, 8]) {
    const chunks = Array.from({ length: members }, (_, at) => chunk(size, members, at));
    expect(chunks.map(([from]) => from)).toEqual([0, ...chunks.slice(0, -1).map(([, to]) => to)]);
    expect(chunks.at(-1)![1]).toBe(size);
    expect(Math.max(...chunks.map(([from, to]) => to - from))).toBe(Math.ceil(size / members));
  }
});

const spec = (split: ParamSpec["split"]): ParamSpec => ({
  name: "0.attn.query",
  shape: [6, 4, 2],
  init: { kind: "normal", std: 0.5 },
  uses: [{ name: "0.attn.query", layer: 0 }],
  split,
});

const whole = initialValues(spec({}), 3, {}, {});

/** Every rank's piece, put where `eachKept` says, and how often each element was held. */
function assembled(piece: ParamSpec, mesh: Mesh) {
  const values = new Float32Array(elements(piece.shape));
  const held = new Int32Array(values.length);
  for (let rank = 0; rank < meshSize(mesh); rank++) {
    const coords = coordsOf(mesh, rank);
    const mine = initialValues(piece, 3, mesh, coords);
    eachKept(piece, mesh, coords, (i, g) => {
      values[g] = mine[i]!;
      held[g]!++;
    });
  }
  return { values, held: new Set(held) };
}

describe("first values are the same bits on every mesh", () => {
  test.each<[ParamSpec["split"], Mesh, number]>([
    [{}, { dp: 3 }, 3],
    [{ tp: 0 }, { tp: 3 }, 1],
    [{ tp: 1 }, { tp: 4 }, 1],
    [{ tp: 2 }, { dp: 2, tp: 2 }, 2],
    [{ dp: "flat" }, { dp: 5 }, 1],
    [{ tp: 1, dp: "flat" }, { pp: 2, dp: 3, tp: 2 }, 2],
    [{ a: 0, b: 1 }, { a: 3, b: 2 }, 1],
    [{ a: 1, b: 1 }, { b: 2, a: 2 }, 1],
    [{ a: "flat", b: "flat" }, { a: 3, b: 4 }, 1],
    [{ b: "flat", a: "flat", tp: 0 }, { a: 5, b: 2, tp: 3 }, 1],
  ])("cut %j on %j: %i copies", (split, mesh, copies) => {
    const { values, held } = assembled(spec(split), mesh);
    expect(values).toEqual(whole);
    expect([...held]).toEqual([copies]);
  });
});

test("a rank keeps a flat chunk of what the dim cuts left", () => {
  const piece = spec({ tp: 1, dp: "flat" });
  const mesh = { dp: 3, tp: 2 };
  expect(localShape(piece, mesh)).toEqual([6, 2, 2]);
  expect(keptRange(piece, mesh, { dp: 2, tp: 0 })).toEqual([16, 24]);
});

test("flat cuts are chunks of chunks, in the order in which strategies made them", () => {
  const mesh = { a: 2, b: 3 };
  expect(keptRange(spec({ a: "flat", b: "flat" }), mesh, { a: 1, b: 1 })).toEqual([32, 40]);
  expect(keptRange(spec({ b: "flat", a: "flat" }), mesh, { a: 1, b: 1 })).toEqual([24, 32]);
});

test("a strategy is handed what those before it left: a vector once one of them cut flat", () => {
  const [mesh, coords] = [
    { a: 2, b: 3, tp: 2 },
    { a: 1, b: 2, tp: 0 },
  ];
  const piece = spec({ tp: 1, a: "flat", b: "flat" });
  expect(shapeAfter(piece, mesh, coords, [])).toEqual([6, 2, 2]);
  expect(shapeAfter(piece, mesh, coords, ["tp"])).toEqual([6, 2, 2]);
  expect(shapeAfter(piece, mesh, coords, ["tp", "a"])).toEqual([12]);
  expect(shapeAfter(piece, mesh, coords, ["tp", "a", "b"])).toEqual([4]);
});

test("seed and name change the values; a constant is a constant", () => {
  expect(initialValues(spec({}), 4, {}, {})).not.toEqual(whole);
  expect(initialValues({ ...spec({}), name: "1.attn.query" }, 3, {}, {})).not.toEqual(whole);
  const ones = initialValues(
    { ...spec({ dp: "flat" }), init: { kind: "constant", value: 1 } },
    3,
    { dp: 5 },
    { dp: 4 },
  );
  expect([...ones]).toEqual(new Array(8).fill(1));
});
