// What the literature says of each schedule, for p 1 to 4 and m 1 to 8: bubble, live activations, order.
import { grid, parseSchedule, printSchedule, simulate, validate } from "@orthant/core";
import { describe, expect, test } from "vitest";
import { type ScheduleName, schedules, withSendRecv } from "../src/index.ts";

const names = Object.keys(schedules) as ScheduleName[];
const shapes = [1, 2, 3, 4].flatMap((p) => [1, 2, 3, 4, 5, 6, 7, 8].map((m) => [p, m] as const));
const build = (name: ScheduleName, p: number, m: number) => withSendRecv(schedules[name](p, m));

describe.each(names)("%s", (name) => {
  test.each(shapes)("p %i, m %i: valid, and the bubble is (p - 1) / (m + p - 1)", (p, m) => {
    const schedule = build(name, p, m);
    validate(schedule, { micros: m });
    for (const [F, B] of [
      [1, 2],
      [1, 1],
      [3, 1],
      [0.7, 1.9],
    ] as const)
      expect(simulate(schedule, { F, B }).bubble).toBeCloseTo((p - 1) / (m + p - 1), 12);
  });

  test("each stage runs B in ascending micro order, so that gradients sum alike in every schedule", () => {
    for (const [p, m] of shapes)
      for (const actions of build(name, p, m))
        expect(actions.filter((a) => a.op === "B").map((a) => a.micro)).toEqual(Array.from({ length: m }, (_, i) => i));
  });

  test("one SEND per boundary, micro and direction; size 1 adds nothing", () => {
    for (const [p, m] of shapes) {
      const schedule = build(name, p, m);
      expect(schedule.flat().filter((a) => a.op.startsWith("SEND"))).toHaveLength(2 * m * (p - 1));
      if (p === 1) expect(schedule).toEqual(schedules[name](p, m));
    }
  });

  test.each([1, 2, 3, 4])("p %i, m 4: the plan is the one in fixtures", async (p) => {
    const schedule = build(name, p, 4);
    const picture = grid(schedule, undefined, "pp").replaceAll(/^/gm, "# ");
    const text = `# ${name}, p ${p}, m 4\n${picture}\n${printSchedule(schedule)}\n`;
    expect(parseSchedule(text)).toEqual(schedule);
    await expect(text).toMatchFileSnapshot(`../fixtures/${name}-p${p}.txt`);
  });
});

test("GPipe holds m micros, 1F1B min(p - s, m)", () => {
  for (const [p, m] of shapes) {
    const stages = Array.from({ length: p }, (_, s) => s);
    expect(simulate(build("gpipe", p, m)).peak).toEqual(stages.map(() => m));
    expect(simulate(build("1f1b", p, m)).peak).toEqual(stages.map((s) => Math.min(p - s, m)));
  }
});

test("neighbour stages on one rank need no SEND", () => {
  const schedule = parseSchedule("0F0 2F0 2B0 0B0\n1F0 1B0");
  expect(printSchedule(withSendRecv(parseSchedule("0F0 1F0 1B0 0B0")))).toBe("0F0 1F0 1B0 0B0");
  expect(printSchedule(withSendRecv(schedule)).split("\n")[1]).toBe("1RECV_F0 1F0 1SEND_F0 1RECV_B0 1B0 1SEND_B0");
  validate(withSendRecv(schedule), { micros: 1 });
});
