// Core's pass, and that of @orthant/zero, over schedules written by hand. Types only cross the packages, so no dependency does.
import { expect, test } from "vitest";
import { withUnshard } from "../../zero/src/passes.ts";
import { withReduceGrad } from "../src/schedule/passes.ts";
import { accumulate, parseSchedule, printSchedule } from "../src/schedule/schedule.ts";
import { validate } from "../src/schedule/validate.ts";

const twoStages = parseSchedule("0F0 0SEND_F0 0RECV_B0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0");

test("a stage is gathered before its first action and freed after its last backward", () => {
  expect(printSchedule(withUnshard(twoStages))).toBe(
    "0UNSHARD 0F0 0SEND_F0 0RECV_B0 0B0 0RESHARD\n1UNSHARD 1RECV_F0 1F0 1B0 1SEND_B0 1RESHARD",
  );
});

test("gradients are reduced once, after the neighbour has what it waits for", () => {
  expect(printSchedule(withReduceGrad(twoStages))).toBe(
    "0F0 0SEND_F0 0RECV_B0 0B0 0REDUCE_GRAD\n1RECV_F0 1F0 1B0 1SEND_B0 1REDUCE_GRAD",
  );
});

test("gradients are reduced after the weight halves, wherever these stand", () => {
  const reduced = (text: string) => printSchedule(withReduceGrad(parseSchedule(text)));
  expect(reduced("0F0 0B0 0W0")).toBe("0F0 0B0 0W0 0REDUCE_GRAD");
  expect(reduced("0F0 1F0 1B0 0B0 1W0 0W0")).toBe("0F0 1F0 1B0 0B0 1W0 1REDUCE_GRAD 0W0 0REDUCE_GRAD");
});

test("a stage that reduces already is left alone", () => {
  const half = parseSchedule("0F0 1F0 1B0 0B0 0REDUCE_GRAD");
  expect(printSchedule(withReduceGrad(half))).toBe("0F0 1F0 1B0 1REDUCE_GRAD 0B0 0REDUCE_GRAD");
  expect(withReduceGrad(withReduceGrad(twoStages))).toEqual(withReduceGrad(twoStages));
});

test("several stages of one rank are each gathered and reduced", () => {
  expect(printSchedule(withReduceGrad(withUnshard(parseSchedule("0F0 1F0 1B0 0B0"))))).toBe(
    "0UNSHARD 0F0 1UNSHARD 1F0 1B0 1REDUCE_GRAD 1RESHARD 0B0 0REDUCE_GRAD 0RESHARD",
  );
});

test("the passes may come in either order", () => {
  for (const schedule of [twoStages, accumulate(1)]) {
    validate(withUnshard(withReduceGrad(schedule)), { micros: 1 });
    validate(withReduceGrad(withUnshard(schedule)), { micros: 1 });
  }
});

test("with any one action left out, or run twice, the plan is refused", () => {
  const plan = withReduceGrad(withUnshard(twoStages));
  const change = (rank: number, at: number, copies: number) =>
    plan.map((actions, r) => (r === rank ? actions.flatMap((a, i) => Array(i === at ? copies : 1).fill(a)) : actions));
  validate(plan, { micros: 1 });
  for (const [rank, actions] of plan.entries())
    for (const at of actions.keys())
      for (const copies of [0, 2])
        expect(() => validate(change(rank, at, copies), { micros: 1 })).toThrow(/rank|stage/);
});
