// Placements and crossings as data: nobody writes a backward collective, so the table that derives them must close.
import { expect, test } from "vitest";
import { allToAll, type Crossing, dual, enter, gather, leave, type Placement, scatter, shift } from "../src/index.ts";
import { showPlacements } from "../src/model/placement.ts";

const all: readonly Crossing<Placement, Placement>[] = [
  enter,
  leave,
  gather(0),
  gather(2),
  scatter(1),
  shift(1),
  shift(-2),
  shift(0),
  allToAll(1, 0),
  allToAll(0, 2),
];
const named = all.map((crossing) => [crossing.name, crossing] as const);
const told = ({ name, from, to }: Crossing<Placement, Placement>) => ({ name, from, to });

test("the dual of the dual is the placement itself", () => {
  for (const placement of ["I", "R", "V", "P"] as const) expect(dual[dual[placement]]).toBe(placement);
});

test.each(named)("%s: the adjoint goes from the dual of its end to the dual of its start", (_, crossing) => {
  const { from, to } = crossing.back();
  expect([from, to]).toEqual([dual[crossing.to], dual[crossing.from]]);
});

test.each(named)("%s: the adjoint of the adjoint is the crossing itself", (_, crossing) => {
  expect(told(crossing.back().back())).toEqual(told(crossing));
});

test.each(named)("%s: the gradient has the shape of what it is the gradient of", (_, crossing) => {
  for (const members of [1, 2, 3, 4]) {
    const there = crossing.shape([12, 12, 12], members);
    expect(crossing.back().shape(there, members)).toEqual([12, 12, 12]);
  }
});

test.each([
  ["enter", enter, [], ["allReduce"]],
  ["leave", leave, ["allReduce"], []],
  ["gather", gather(0), ["allGather"], ["reduceScatter"]],
  ["scatter", scatter(0), ["reduceScatter"], ["allGather"]],
  ["shift", shift(1), ["send", "send"], ["send", "send"]],
  ["a shift all the way round", shift(2), [], []],
  ["all-to-all", allToAll(0, 1), ["exchange"], ["exchange"]],
] as const)("on two members %s: what it asks of its group, forward and backward", (_, crossing, forward, backward) => {
  const asked = (one: Crossing<Placement, Placement>) => one.calls([4, 4], 2).map(({ op }) => op);
  expect(asked(crossing)).toEqual(forward);
  expect(asked(crossing.back())).toEqual(backward);
});

test("placements read well in a message; I goes without saying", () => {
  expect(showPlacements({})).toBe("I along every axis");
  expect(showPlacements({ tp: "I" })).toBe("I along every axis");
  expect(showPlacements({ tp: "R", dp: "I", cp: "V" })).toBe("R along tp, V along cp");
});
