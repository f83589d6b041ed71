// What the launcher shows of several ranks: equal lines once, each rank's lines in order, the progress line below them.
import { expect, test } from "vitest";
import { showRanks } from "../src/run/merge.ts";
import { Screen } from "../src/run/screen.ts";

function screenOf(all: number, columns?: number) {
  let [out, error] = ["", ""];
  const screen = new Screen({
    all,
    out: (text) => {
      out += text;
    },
    error: (text) => {
      error += text;
    },
    columns: columns === undefined ? undefined : () => columns,
  });
  const streams = Array.from({ length: all }, (_, rank) => screen.stream([rank], false));
  const say = (rank: number, text: string, now: number) => streams[rank]?.(new TextEncoder().encode(text), now);
  return { screen, say, out: () => out, error: () => error };
}

test("ranges of ranks", () => {
  expect(showRanks([0])).toBe("[0]");
  expect(showRanks([0, 1])).toBe("[0-1]");
  expect(showRanks([0, 1, 2, 3, 6, 8, 9])).toBe("[0-3,6,8-9]");
});

test("a line that all ranks write is told once, at once", () => {
  const { say, out } = screenOf(3);
  for (const rank of [2, 0, 1]) say(rank, "hello\n", rank);
  expect(out()).toBe("[0-2] hello\n");
});

test("a line waits 200 ms for its like", () => {
  const { screen, say, out } = screenOf(3);
  say(0, "hello\n", 0);
  say(2, "hello\n", 150);
  screen.flush(199);
  expect(out()).toBe("");
  screen.flush(200);
  expect(out()).toBe("[0,2] hello\n");
  say(1, "hello\n", 201);
  screen.close();
  expect(out()).toBe("[0,2] hello\n[1] hello\n");
});

test("the lines of a rank keep their order", () => {
  const { screen, say, out } = screenOf(3);
  say(0, "a\nb\n", 0);
  say(1, "b\na\nb\n", 1);
  say(2, "a\nb\n", 2);
  screen.close();
  expect(out()).toBe("[0,2] a\n[0-2] b\n[1] a\n[1] b\n");
});

test("standard error stays that, and joins no line of standard output", () => {
  const { screen, say, out, error } = screenOf(2);
  say(0, "same\n", 0);
  screen.stream([1], true)(new TextEncoder().encode("same\n"), 0);
  screen.close();
  expect([out(), error()]).toEqual(["[0] same\n", "[1] same\n"]);
});

test("what a flood of lines holds back is bounded", () => {
  const { say, out } = screenOf(2);
  for (let i = 0; i < 1500; i++) say(0, `${i}\n`, 0);
  expect(out().split("\n").length - 1).toBe(500);
});

test("on a terminal the progress line stays below", () => {
  const { screen, say, out } = screenOf(1, 12);
  say(0, "\rstep 1\x1b[K", 0);
  say(0, "mine\n", 1);
  say(0, "\rstep 2 is longer\x1b[K\n", 2);
  screen.close();
  const drawings = out().split("\r\x1b[K");
  expect(drawings).toEqual(["step 1", "[0] mine\nstep 1", "step 2 is l\n"]);
});

test("a progress line whose rank was killed is ended", () => {
  const { screen, say, out } = screenOf(1, 80);
  say(0, "\rstep 1\x1b[K", 0);
  screen.close();
  expect(out()).toBe("step 1\n");
});
