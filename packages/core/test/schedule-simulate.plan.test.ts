// The synthetic clock and the grid, on schedules small enough to check by hand. Whole families are tested beside
// the schedules, in @orthant/pipeline.
import { describe, expect, test } from "vitest";
import { grid } from "../src/schedule/grid.ts";
import { accumulate, parseSchedule } from "../src/schedule/schedule.ts";
import { type Clock, simulate } from "../src/schedule/simulate.ts";

const twoStages = parseSchedule("0F0 0SEND_F0 0RECV_B0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0");

describe("simulate", () => {
  test("one rank never idles", () => {
    expect(simulate(accumulate(4))).toMatchObject({ total: 12, bubble: 0, peak: [1] });
  });

  test("a RECV lasts as long as the rank waits", () => {
    const { timeline, total, bubble } = simulate(twoStages);
    expect(timeline[0]?.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 1],
      [1, 4],
      [4, 6],
    ]);
    expect(timeline[1]?.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 2],
      [2, 4],
      [4, 4],
    ]);
    expect([total, bubble]).toEqual([6, 0.5]);
  });

  test("latency passes once each way, and idle time with it", () => {
    expect(simulate(twoStages, { latency: 0.5 })).toMatchObject({ total: 7, bubble: 1 - 6 / 14 });
  });

  test("stages may take different times", () => {
    expect(simulate(twoStages, { F: [1, 3], B: [2, 6] }).total).toBe(12);
    expect(() => simulate(twoStages, { F: [1] })).toThrow("the clock has no F for stage 1: give one a stage");
  });

  test("W waits for its own B alone, counts as compute, and keeps its micro live", () => {
    const halves = parseSchedule("0F0 0SEND_F0 0RECV_B0 0B0 0W0\n1RECV_F0 1F0 1B0 1SEND_B0 1W0");
    const { timeline, total, bubble } = simulate(halves);
    const times = timeline.map((slices) => slices.filter((s) => s.action.op === "W").map(({ from, to }) => [from, to]));
    expect(times).toEqual([[[4, 5]], [[3, 4]]]);
    expect([total, bubble]).toEqual([5, 1 - 6 / 10]);
    expect(simulate(parseSchedule("0F0 0B0 0F1 0B1 0W0 0W1")).peak).toEqual([2]);
    expect(simulate(parseSchedule("0F0 0B0 0W0 0F1 0B1 0W1")).peak).toEqual([1]);
  });

  test("the clock's B is the whole backward unless it has W", () => {
    const total = (text: string, clock: Clock) => simulate(parseSchedule(text), clock).total;
    const [whole, halves] = ["0F0 0B0", "0F0 0B0 0W0"];
    expect([total(whole, {}), total(halves, {})]).toEqual([3, 3]);
    expect([total(whole, { B: 4 }), total(halves, { B: 4 })]).toEqual([5, 5]);
    expect([total(whole, { W: 3 }), total(halves, { W: 3 })]).toEqual([5, 5]);
    expect([total(whole, { B: 2, W: 3 }), total(halves, { B: 2, W: 3 })]).toEqual([6, 6]);
    const mixed = "0F0 1F0 1B0 0B0 0W0";
    expect(total(mixed, { F: [1, 3], B: [2, 6] })).toBe(12);
    expect(total(mixed, { F: [1, 3], B: [1, 4], W: [1, 2] })).toBe(12);
    expect(() => total(mixed, { W: [] })).toThrow("the clock has no W for stage 1: give one a stage");
  });

  test("without SEND and RECV the order is still that of the stages", () => {
    expect(simulate(parseSchedule("0F0 0B0\n1F0 1B0")).total).toBe(6);
  });

  test("live activations are counted over all stages of a rank", () => {
    expect(simulate(parseSchedule("0F0 1F0 0F1 1F1 1B0 0B0 1B1 0B1")).peak).toEqual([4]);
  });

  test("a deadlock names who waits for whom", () => {
    const stuck = parseSchedule("0RECV_B0 0F0 0SEND_F0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0");
    const message = "deadlock: rank 0 waits at 0RECV_B0 for 1SEND_B0; rank 1 waits at 1RECV_F0 for 0SEND_F0";
    expect(() => simulate(stuck)).toThrow(message);
  });

  test("nothing takes no time", () => {
    expect(simulate([])).toEqual({ timeline: [], total: 0, bubble: 0, peak: [] });
  });
});

describe("grid", () => {
  test("a row a rank, a column a unit of time", () => {
    expect(grid(twoStages)).toBe("rank 0 | F0 .  .  .  B0---\nrank 1 | .  F0 B0--- .  .");
  });

  test("a backward in halves is two columns of their own", () => {
    expect(grid(parseSchedule("0F0 0B0 0W0\n1F0 1B0 1W0"))).toBe("rank 0 | F0 .  .  B0 W0\nrank 1 | .  F0 B0 W0 .");
  });

  test("where a rank runs several stages, each cell names its own", () => {
    expect(grid(parseSchedule("0F0 1F0 1B0 0B0"))).toBe("rank 0 | 0F0 1F0 1B0---- 0B0----");
  });

  test("columns stay aligned with micros of two digits", () => {
    const [first, second] = grid(parseSchedule("0F10 0B10\n1F10 1B10")).split("\n");
    expect([first, second]).toEqual(["rank 0 | F10 .   .   .   B10----", "rank 1 | .   F10 B10---- .   ."]);
  });

  test("a row wider than the terminal is cut", () => {
    expect(grid(accumulate(9), 24)).toBe("rank 0 | F0 B0--- F1 ...");
    expect(grid(accumulate(1), 24)).toBe("rank 0 | F0 B0---");
  });

  test("the user's word for the axis may name the rows", () => {
    expect(grid(twoStages, undefined, "pp")).toBe("pp 0 | F0 .  .  .  B0---\npp 1 | .  F0 B0--- .  .");
  });
});
