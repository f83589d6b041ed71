// Who divides what: roles read off the strategies, what is refused, and that every gradient element counts once in the norm.
import { tinyGpt, tinySequences } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { plan, type Roles, type Strategy, sgd, type Wire } from "../src/index.ts";
import { positionOf, rolesOf, saysLoss, stageAxis } from "../src/plan/roles.ts";

const about = (axis: string, more: Partial<Strategy> = {}, name = axis): Strategy => ({ name, axis, ...more });
const batch = (axis: string, name?: string) => about(axis, { divides: "batch" }, name);
const layers = (axis: string) => about(axis, { divides: "layers" });
const dim = (axis: string, at: number) => about(axis, { divides: { dim: at } });

test("roles are read off the strategies; the mesh says which axis is the outer one", () => {
  const islands = about("island", { divides: "batch", independent: { every: 5 } });
  const mesh = { island: 2, pp: 2, shard: 2, copy: 3, cp: 2, tp: 2 };
  const strategies = [about("tp"), dim("cp", 0), layers("pp"), batch("copy"), batch("shard"), islands, about("pp")];
  expect(rolesOf(strategies, mesh)).toEqual({
    batch: ["island", "shard", "copy"],
    dims: { cp: 0 },
    layers: "pp",
    independent: { island: 5 },
  });
  expect(rolesOf([], {})).toEqual({ batch: [], dims: {}, layers: undefined, independent: {} });
});

test("among several axes the last one varies fastest", () => {
  const at = (a: number, b: number) => positionOf(["a", "b"], { a: 2, b: 3, c: 5 }, { a, b, c: 4 });
  expect([at(0, 0), at(0, 2), at(1, 0), at(1, 2)].map(({ at }) => at)).toEqual([0, 2, 3, 5]);
  expect(at(1, 2).of).toBe(6);
  expect(positionOf([], { a: 2 }, { a: 1 })).toEqual({ at: 0, of: 1 });
});

test("a rank's stage is its place on the axis that divides the layers", () => {
  expect(stageAxis(rolesOf([layers("pp")], { pp: 4 }), { pp: 3, dp: 1 })).toBe(3);
  expect(stageAxis(rolesOf([], { dp: 2 }), { dp: 1 })).toBe(0);
});

test("of members that compute the same, only the first says the loss", () => {
  const roles: Roles = { batch: ["dp"], dims: { cp: 0 }, layers: "pp", independent: { island: 2 } };
  const says = (coords: Record<string, number>) =>
    saysLoss(roles, { dp: 0, cp: 0, pp: 0, island: 0, tp: 0, ...coords });
  for (const axis of ["dp", "cp", "pp", "island"]) expect(says({ [axis]: 1 })).toBe(true);
  expect([says({ tp: 1 }), says({ tp: 1, dp: 1 })]).toEqual([false, false]);
});

const wire: Wire = { wrap: (group) => group, bytes: () => 0 };

describe("refused:", () => {
  test.each<[string, Partial<Parameters<typeof plan>[0]>, string]>([
    [
      "two that divide the batch along one axis",
      { mesh: { dp: 2 }, strategies: [batch("dp", "zero"), batch("dp", "other")] },
      "zero() and other() both divide the batch along dp: keep one, or give one an axis of its own",
    ],
    [
      "batch and layers along one axis",
      { mesh: { dp: 2 }, strategies: [batch("dp"), about("dp", { divides: "layers" }, "pipe")] },
      "dp() divides the batch along dp and pipe() the layers: give one an axis of its own",
    ],
    [
      "two dims along one axis",
      { mesh: { cp: 2 }, strategies: [dim("cp", 0), dim("cp", 1)] },
      "cp() divides dim 0 of every sample along cp and cp() dim 1 of every sample: give one an axis of its own",
    ],
    [
      "two axes that divide the layers",
      { mesh: { pp: 2, qq: 2 }, strategies: [layers("pp"), layers("qq")] },
      "pp() divides the layers along pp and qq() along qq: keep one",
    ],
    [
      "two axes that divide one dim",
      { mesh: { cp: 2, sp: 2 }, strategies: [dim("cp", 0), dim("sp", 0)] },
      "cp() divides dim 0 of every sample along cp and sp() along sp: keep one",
    ],
    [
      "a divider without an axis",
      { strategies: [{ name: "lost", divides: "batch" }] },
      "lost() divides the batch and names no axis: give it the axis whose members it divides",
    ],
    [
      "two wires on one axis",
      { mesh: { dp: 2 }, strategies: [batch("dp"), about("dp", { wire }, "int8"), about("dp", { wire }, "int4")] },
      "axis dp has 2 wires, int8() and int4(): keep one",
    ],
    [
      "a wire without an axis",
      { strategies: [{ name: "int8", wire }] },
      "int8() has a wire and names no axis: give it the axis whose bytes it carries",
    ],
    [
      "an axis named as the messages among all ranks are",
      { mesh: { world: 2 }, strategies: [batch("world")] },
      "no mesh axis can be named world: messages among all ranks have that name",
    ],
    [
      "an axis whose name a message could not carry",
      { mesh: { "a.b": 2 }, strategies: [batch("a.b")] },
      'mesh axis "a.b": a name is made of letters, digits, _ and -, for messages open with it',
    ],
    [
      "an axis that the mesh lacks",
      { mesh: { pp: 2 }, strategies: [layers("pp"), batch("dp")] },
      "dp() is about axis dp, which the mesh { pp: 2 } lacks: add dp: 1 or more, or drop it",
    ],
    [
      "an axis that no strategy is about",
      { mesh: { dp: 2, tp: 2 }, strategies: [batch("dp")] },
      "the mesh has tp 2 and no strategy is about tp: add one to strategies, or drop the axis",
    ],
    [
      "a dim that the samples lack",
      { mesh: { cp: 2 }, strategies: [dim("cp", 1)] },
      "cp divides dim 1 of every sample, and the input has shape [6]",
    ],
    [
      "a dim that the axis does not divide",
      { mesh: { cp: 4 }, strategies: [dim("cp", 0)] },
      "cp 4 does not divide dim 0 of the input [6]: 6 / 4 is not whole",
    ],
  ])("%s", async (_, over, message) => {
    const job = { model: tinyGpt(), data: tinySequences(), batch: 12, optimizer: sgd({ lr: 1 }), steps: 1 };
    await expect(plan({ ...job, ...over })).rejects.toThrow(message);
  });
});

test("an axis of size 1 needs no strategy, and several may share one", async () => {
  const job = { model: tinyGpt(), data: tinySequences(), batch: 12, optimizer: sgd({ lr: 1 }), steps: 1 };
  await plan({ ...job, mesh: { tp: 1 } });
  const shared = [batch("dp"), about("dp", { wire }, "int8"), about("dp", {}, "watch"), { name: "nowhere" }];
  const { roles } = await plan({ ...job, mesh: { dp: 3 }, strategies: shared });
  expect(roles.batch).toEqual(["dp"]);
});
