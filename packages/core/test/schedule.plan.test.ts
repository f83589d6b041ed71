// The schedule as text and as numbers: print, parse, count. No tensors.
import { describe, expect, test } from "vitest";
import {
  type Action,
  accumulate,
  hasMicro,
  microsOf,
  ops,
  parseAction,
  parseSchedule,
  printSchedule,
  rankOfStage,
  showAction,
  stagesOf,
} from "../src/schedule/schedule.ts";

/** Every op, on stages and micros of one and of two digits. */
const everyAction: Action[] = ops.flatMap((op) =>
  [0, 7, 12].flatMap((stage): Action[] =>
    hasMicro(op) ? [0, 9, 31].map((micro) => ({ stage, op, micro })) : [{ stage, op }],
  ),
);

describe("text", () => {
  test("an action shows as stage, op, micro", () => {
    expect(showAction({ stage: 0, op: "SEND_F", micro: 3 })).toBe("0SEND_F3");
    expect(showAction({ stage: 0, op: "W", micro: 3 })).toBe("0W3");
    expect(showAction({ stage: 12, op: "REDUCE_GRAD" })).toBe("12REDUCE_GRAD");
  });

  test("every action parses back to itself", () => {
    for (const action of everyAction) expect(parseAction(showAction(action))).toEqual(action);
  });

  test("a schedule parses back to itself, ranks without actions too", () => {
    for (const schedule of [[], [[]], [everyAction, [], everyAction.toReversed()]])
      expect(parseSchedule(printSchedule(schedule))).toEqual(schedule);
  });

  test("text prints back to itself; comments and blank lines are no ranks", () => {
    const text = "0F0 0SEND_F0 0RECV_B0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0";
    expect(printSchedule(parseSchedule(text))).toBe(text);
    expect(parseSchedule(`# two stages\n\n${text.replace("\n", "\n  # the last\n")}\n`)).toEqual(parseSchedule(text));
  });
});

describe("what is no action is refused with line, column and what was expected", () => {
  test.each([
    ["0F0\n1F0  1Q1", 'line 2, column 6: "1Q1" is no action: expected one of F B W SEND_F'],
    ["# plan\nF0", 'line 2, column 1: "F0" is no action: expected stage, op, micro, such as 0F0'],
    ["0F0 0B", 'line 1, column 5: "0B" is no action: expected a micro after B, such as 0B0'],
    ["3RESHARD1", "expected no micro, as RESHARD concerns the whole stage: 3RESHARD"],
    ["00F0", "expected stage, op, micro"],
    ["0F-1", "expected stage, op, micro"],
    ["0F0 -", 'line 1, column 5: "-"'],
  ])("%j", (text, message) => {
    expect(() => parseSchedule(text)).toThrow(message);
  });
});

describe("numbers", () => {
  const schedule = parseSchedule("0F0 2F0 2B0 0B0 0F1 2F1 2B1 0B1\n1F0 1B0 1F1 1B1");

  test("stages and micros are counted", () => {
    expect([stagesOf(schedule), microsOf(schedule)]).toEqual([3, 2]);
    expect([stagesOf([]), microsOf([])]).toEqual([0, 0]);
  });

  test("a stage knows its rank", () => {
    expect([0, 1, 2].map((stage) => rankOfStage(schedule, stage))).toEqual([0, 1, 0]);
    expect(() => rankOfStage(schedule, 3)).toThrow("no rank runs stage 3; the schedule has 3 stages, from 0");
  });

  test("accumulation is one rank and one stage", () => {
    expect(printSchedule(accumulate(3))).toBe("0F0 0B0 0F1 0B1 0F2 0B2");
  });
});
