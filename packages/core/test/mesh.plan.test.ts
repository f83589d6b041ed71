// Ranks and their places on a mesh.
import { expect, test } from "vitest";
import { axisSize, coordsOf, meshSize, rankOf, ranksAlong, showCoords } from "../src/index.ts";

const meshes = [{}, { dp: 1 }, { tp: 3 }, { pp: 2, dp: 3, tp: 2 }, { a: 4, b: 1, c: 2 }];

test.each(meshes)("%j: coordinates and ranks are each other's inverse", (mesh) => {
  for (let rank = 0; rank < meshSize(mesh); rank++) expect(rankOf(mesh, coordsOf(mesh, rank))).toBe(rank);
});

test("the last axis varies fastest", () => {
  const mesh = { pp: 2, dp: 3, tp: 2 };
  expect([0, 1, 2, 11].map((rank) => coordsOf(mesh, rank))).toEqual([
    { pp: 0, dp: 0, tp: 0 },
    { pp: 0, dp: 0, tp: 1 },
    { pp: 0, dp: 1, tp: 0 },
    { pp: 1, dp: 2, tp: 1 },
  ]);
  expect(showCoords(coordsOf(mesh, 11))).toBe("pp 1, dp 2, tp 1");
});

test.each(meshes)("%j: the groups of an axis share out the ranks", (mesh) => {
  for (const axis of [...Object.keys(mesh), "none"]) {
    const groups = Array.from({ length: meshSize(mesh) }, (_, rank) => ranksAlong(mesh, rank, axis));
    for (const [rank, group] of groups.entries()) {
      expect(group).toHaveLength(axisSize(mesh, axis));
      expect(group[coordsOf(mesh, rank)[axis] ?? 0]).toBe(rank);
    }
    expect(new Set(groups.map(String)).size * axisSize(mesh, axis)).toBe(meshSize(mesh));
  }
});
