// Random numbers of layers: of one sample and place they are the same, whoever draws them and however the mesh is cut.
import { describe, expect, test } from "vitest";
import { type Coords, coordsOf, type Mesh, meshSize, randomKey, type Shape, uniformInt } from "../src/index.ts";
import { elements } from "../src/model/segment.ts";
import { type Draw, drawUniform } from "../src/params/draw.ts";

const draw = (over: Partial<Draw>): Float32Array =>
  drawUniform({
    seed: 3,
    name: "drop",
    first: 0,
    samples: 4,
    shape: [4, 6],
    cuts: {},
    mesh: {},
    coords: {},
    ...over,
  });

test("numbers are uniform in [0, 1), and differ by seed, name, sample and place", () => {
  const values = draw({ shape: [4, 5000] });
  expect([Math.min(...values) >= 0, Math.max(...values) < 1]).toEqual([true, true]);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(4 / Math.sqrt(12 * values.length));
  expect(new Set(values).size).toBeGreaterThan(0.99 * values.length);
  for (const other of [{ seed: 4 }, { name: "drop2" }, { first: 4 }]) expect(draw(other)).not.toEqual(draw({}));
});

test("the same again when they are drawn anew", () => expect(draw({ first: 8 })).toEqual(draw({ first: 8 })));

test("a sample has its numbers in whatever micro it comes", () => {
  const all = draw({ first: 12, samples: 6, shape: [6, 5] });
  for (const size of [1, 2, 3])
    for (let at = 0; at < 6; at += size)
      expect(draw({ first: 12 + at, samples: size, shape: [size, 5] })).toEqual(all.subarray(at * 5, (at + size) * 5));
});

test("dim 0 may count samples times something, never parts of one", () => {
  expect(draw({ samples: 2, shape: [6, 4] })).toEqual(draw({ samples: 2, shape: [2, 3, 4] }));
  expect(() => draw({ samples: 4, shape: [6, 4] })).toThrow(
    'random("drop"): dim 0 of [6, 4] must hold whole samples, and a micro has 4',
  );
});

/** Whole numbers that repeat from run to run. */
function numbers(seed: number) {
  const key = randomKey(seed, "draws");
  let drawn = 0;
  return (below: number) => uniformInt(key, drawn++, below);
}

/** A tensor, which of its dims each axis cuts, and how many samples it holds. */
function drawCase(seed: number) {
  const below = numbers(seed);
  const dims = 2 + below(3);
  const mesh: Mesh = { a: 1 + below(3), b: 1 + below(3), other: 1 + below(2) };
  const cuts = { a: 1 + below(dims - 1), b: 1 + below(dims - 1) };
  const samples = 1 + below(3);
  const local: Shape = Array.from({ length: dims }, (_, d) => (d === 0 ? samples * (1 + below(2)) : 1 + below(4)));
  const factor = (d: number) => Object.entries(cuts).reduce((n, [axis, dim]) => (dim === d ? n * mesh[axis]! : n), 1);
  const whole = local.map((size, d) => size * factor(d));
  return { mesh, cuts, samples, local, whole, first: below(100) };
}

/** Where a member's part starts along each dim: of two axes that cut one dim the first is the outer one. */
const startOf = ({ mesh, cuts, local }: ReturnType<typeof drawCase>, coords: Coords): number[] =>
  local.map((size, d) => {
    const axes = (["a", "b"] as const).filter((axis) => cuts[axis] === d);
    return size * axes.reduce((at, axis) => at * mesh[axis]! + coords[axis]!, 0);
  });

/** The part of a row-major array that begins at `start`. */
function part(values: Float32Array, whole: Shape, local: Shape, start: readonly number[]): Float32Array {
  return Float32Array.from({ length: elements(local) }, (_, i) => {
    let [rest, at, stride] = [i, 0, 1];
    for (let d = local.length - 1; d >= 0; d--) {
      at += ((rest % local[d]!) + start[d]!) * stride;
      rest = Math.floor(rest / local[d]!);
      stride *= whole[d]!;
    }
    return values[at]!;
  });
}

describe("cut along two axes", () => {
  test("members draw their part of the whole, on 300 drawn shapes and meshes", () => {
    for (let seed = 0; seed < 300; seed++) {
      const at = drawCase(seed);
      const { mesh, cuts, samples, local, whole, first } = at;
      const all = draw({ samples, first, shape: whole });
      for (let rank = 0; rank < meshSize(mesh); rank++) {
        const coords = coordsOf(mesh, rank);
        const mine = draw({ samples, first, shape: local, cuts, mesh, coords });
        expect(mine, JSON.stringify({ at, coords })).toEqual(part(all, whole, local, startOf(at, coords)));
      }
    }
  });

  test("an axis that the mesh lacks cuts nothing", () => {
    expect(draw({ cuts: { tp: 1 }, mesh: { dp: 2 }, coords: { dp: 1 } })).toEqual(draw({}));
  });
});
