// The table that derives backward collectives.
import { expect, test } from "vitest";
import { adjoint, dual, type Placement, type Transition, transitions } from "../src/index.ts";

const all = Object.keys(transitions) as Transition[];

test("the dual of the dual is the placement itself", () => {
  for (const placement of ["I", "R", "V", "P"] as Placement[]) expect(dual[dual[placement]]).toBe(placement);
});

test("the adjoint is an involution on the transitions there are", () => {
  for (const transition of all) expect(all).toContain(adjoint(transition));
  for (const transition of all) expect(adjoint(adjoint(transition))).toBe(transition);
});

test.each([
  ["I->R", "P->I", "allReduce"],
  ["P->I", "I->R", "identity"],
  ["V->R", "P->V", "reduceScatter"],
  ["P->V", "V->R", "allGather"],
] as const)("the gradient of %s goes %s, by %s", (transition, back, op) => {
  expect(adjoint(transition)).toBe(back);
  expect(transitions[adjoint(transition)]).toBe(op);
});
