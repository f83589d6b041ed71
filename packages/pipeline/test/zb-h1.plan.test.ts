// What Qi et al. (ICLR 2024, section 3) say of ZB-H1, for p 1 to 6 and m 1 to 12, on a schedule from outside the package.
import { grid, parseSchedule, printSchedule, simulate, validate } from "@orthant/core";
import { expect, test } from "vitest";
import { zbH1 } from "../../testing/schedules/zb-h1.ts";
import { oneForwardOneBackward, withSendRecv } from "../src/index.ts";

const unit = { F: 1, B: 1, W: 1 };
const shapes = [1, 2, 3, 4, 5, 6].flatMap((p) => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((m) => [p, m] as const));
const build = (p: number, m: number) => withSendRecv(zbH1(p, m));

test("p 4, m 8: 3 of 27 units of time are idle", () => {
  const { total, bubble } = simulate(build(4, 8), unit);
  expect(total).toBe(27);
  expect(bubble).toBeCloseTo(3 / 27, 12);
});

test.each(shapes)(
  "p %i, m %i: valid; 3 m + p - 1 units of time, or 2 (m + p) - 1 with fewer micros than stages",
  (p, m) => {
    validate(build(p, m), { micros: m });
    const { total, bubble } = simulate(build(p, m), unit);
    expect(total).toBe(m >= p ? 3 * m + p - 1 : 2 * (m + p) - 1);
    if (m >= p) expect(bubble).toBeCloseTo((p - 1) / (3 * m + p - 1), 12);
    expect(total).toBeLessThanOrEqual(simulate(withSendRecv(oneForwardOneBackward(p, m)), unit).total);
  },
);

test("each stage runs B and W in ascending micro order, so that gradients sum alike in every schedule", () => {
  for (const [p, m] of shapes)
    for (const actions of build(p, m))
      for (const op of ["B", "W"])
        expect(actions.filter((a) => a.op === op).map((a) => a.micro)).toEqual(Array.from({ length: m }, (_, i) => i));
});

test("stage s holds the p - s micros of 1F1B until their B, s more until their W, and never more than m", () => {
  for (const [p, m] of shapes) {
    expect(simulate(build(p, m), unit).peak).toEqual(Array.from({ length: p }, () => Math.min(p, m)));
    const untilB = build(p, m).map((actions) => actions.filter(({ op }) => op !== "W"));
    expect(simulate(untilB).peak).toEqual(simulate(withSendRecv(oneForwardOneBackward(p, m))).peak);
  }
});

test.each([1, 2, 3, 4])("p %i, m 4: the plan is the one in fixtures", async (p) => {
  const schedule = build(p, 4);
  const picture = grid(schedule, undefined, "pp").replaceAll(/^/gm, "# ");
  const text = `# zb-h1, p ${p}, m 4\n${picture}\n${printSchedule(schedule)}\n`;
  expect(parseSchedule(text)).toEqual(schedule);
  await expect(text).toMatchFileSnapshot(`../fixtures/zb-h1-p${p}.txt`);
});
