// What the report says, as strings: units, the progress line, metrics lines. Nothing is written to a terminal or a file.
import { describe, expect, test } from "vitest";
import { bar, movingMean, type Progress, progress, showLine, showPlain } from "../src/report/progress.ts";
import { showBytes, showCount, showPercent, showSeconds, table } from "../src/report/units.ts";

const state: Progress = {
  done: 80,
  steps: 200,
  loss: 2.9131,
  speed: { count: 18_204, unit: "tok/s" },
  secondsLeft: 41.2,
  held: 38.1 * 2 ** 20,
};
const plain = "step  80/200  loss 2.913  18.2k tok/s  0:41 left  38.1 MiB/rank";

test("units keep three digits", () => {
  expect([0, 999, 1024, 1536, 38.1 * 2 ** 20, 2 ** 50].map(showBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 KiB",
    "1.50 KiB",
    "38.1 MiB",
    "1024 TiB",
  ]);
  expect([7, 999, 18_204, 6_481_920].map(showCount)).toEqual(["7", "999", "18.2k", "6.48M"]);
  expect([0, 41.4, 60, 3725].map(showSeconds)).toEqual(["0:00", "0:41", "1:00", "1:02:05"]);
  expect(showPercent(0.2091)).toBe("20.9 %");
});

test("columns line up", () => {
  expect(
    table(
      ["name", "size"],
      [
        ["a", "10"],
        ["long name", "9"],
      ],
      ["size"],
    ),
  ).toBe("name       size\na            10\nlong name     9");
});

describe("the progress line", () => {
  test("says all of it behind a bar", () => {
    expect(showPlain(state)).toBe(plain);
    expect(showLine(state, 100)).toBe(`[########------------] ${plain}`);
  });

  test("fits any terminal", () => {
    for (let columns = 0; columns <= 120; columns++)
      expect(showLine(state, columns).length).toBeLessThanOrEqual(columns);
    expect(showLine(state, 75)).toBe(`[####-----] ${plain}`.slice(0, 75));
    expect(showLine(state, 50)).toBe("step  80/200  loss 2.913  18.2k tok/s  0:41 left");
    expect(showLine(state, 15)).toBe("step  80/200");
  });

  test("the bar is empty, full, and never longer", () => {
    expect([0, 0.5, 1, 2].map((f) => bar(f, 4))).toEqual(["[----]", "[##--]", "[####]", "[####]"]);
  });

  test("the mean moves: old steps are forgotten", () => {
    const mean = movingMean(2);
    expect([100, 10, 10, 40].map(mean)).toEqual([100, 55, 10, 25]);
  });
});

describe("progress", () => {
  const report = { loss: 1, count: 0, auxiliary: {}, norm: 1, held: 1024, device: 0, lr: 0.1, ms: 10, stop: 0 };
  const reports = (steps: number) => Array.from({ length: steps }, (_, step) => ({ ...report, step }));

  /** What a run of `steps` steps, 10 ms each and told until step `told`, writes. */
  function written(steps: number, isTTY: boolean, told = steps): string[] {
    const writes: string[] = [];
    let clock = 0;
    const out = { isTTY, columns: 80, write: (text: string) => writes.push(text) };
    const line = progress({ steps, speed: { count: 64, unit: "tok/s" }, out, now: () => clock });
    for (const report of reports(told)) {
      clock += 10;
      line.step(report);
    }
    line.close();
    line.close();
    return writes;
  }

  test("a terminal is redrawn ten times a second, in place, and ends with a newline", () => {
    const writes = written(200, true);
    expect(writes.length).toBeGreaterThanOrEqual(20);
    expect(writes.length).toBeLessThanOrEqual(23);
    for (const text of writes.slice(0, -1)) {
      expect([text.at(0), text.slice(-3)]).toEqual(["\r", "\x1b[K"]);
      expect(text.slice(1, -3)).toMatch(/^\[[#-]+\] step [^\r\n]+$/);
      expect(text.slice(1, -3).length).toBeLessThan(80);
    }
    expect(writes.at(-2)).toContain("step 200/200  loss 1.000  6.40k tok/s  0:00 left  1.00 KiB/rank");
    expect(writes.at(-1)).toBe("\n");
  });

  test("a file gets the first, the last and about 20 lines between", () => {
    const writes = written(1000, false);
    expect(writes.length).toBe(21);
    expect(writes[0]).toMatch(/^step {4}1\/1000 {2}loss 1\.000/);
    expect(writes.at(-1)).toMatch(/^step 1000\/1000 .*\n$/);
    expect(written(3, false).length).toBe(3);
  });

  test("a run that stops early shows its last step once", () => {
    expect(written(1000, false, 55).at(-1)).toMatch(/^step {3}55\/1000/);
    expect(written(1000, false, 50).filter((line) => line.includes(" 50/")).length).toBe(1);
    expect(written(1000, true, 55).at(-2)).toContain("step   55/1000");
    expect(written(1000, true, 0)).toEqual([]);
  });
});
