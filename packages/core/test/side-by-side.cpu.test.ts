// How many tensors are laid side by side in one buffer, for kernels over all of them.
import { expect, test } from "vitest";
import { layOut } from "../src/devices/webgpu/many.ts";

test("each range starts at a block of its own, one that does not fit goes on in the next list, and an empty one is left out", () => {
  const lists = layOut(
    [
      [0, 5],
      [3, 3],
      [10, 1500],
      [0, 2000],
    ],
    3072,
  );
  expect(lists).toEqual([
    [
      { i: 0, from: 0, count: 5, at: 0 },
      { i: 2, from: 10, count: 1490, at: 1024 },
    ],
    [{ i: 3, from: 0, count: 2000, at: 0 }],
  ]);
});

test("what is larger than a list is cut at its end", () => {
  expect(layOut([[7, 2507]], 1024)).toEqual([
    [{ i: 0, from: 7, count: 1024, at: 0 }],
    [{ i: 0, from: 1031, count: 1024, at: 0 }],
    [{ i: 0, from: 2055, count: 452, at: 0 }],
  ]);
  expect(layOut([], 1024)).toEqual([]);
});
