// Products that tfjs asks of wasm in unusual forms: shapes that do not match, integers, sums by index names, rows left out.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useDevice } from "../src/index.ts";

let before = 0;
beforeEach(async () => {
  await useDevice("wasm");
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const product = (a: readonly number[], b: readonly number[], flipA: boolean, flipB: boolean) => () =>
  tf.tidy(() => tf.matMul(tf.ones([...a]), tf.ones([...b]), flipA, flipB));

test.each([
  ["plain", product([2, 3], [4, 5], false, false)],
  ["left transposed", product([2, 3], [3, 5], true, false)],
  ["right transposed", product([2, 3], [4, 5], false, true)],
  ["both transposed", product([3, 2], [5, 4], true, true)],
  ["in a batch", product([6, 2, 3], [6, 4, 5], false, true)],
  ["one row", product([1, 3], [4, 5], false, true)],
])("matMul of shapes that do not match is refused: %s", (_, run) => {
  expect(run).toThrow(/matMul of \[.*the left has \d columns and the right \d rows/);
});

/** Numbers of `run` on cpu and on wasm. */
async function both(run: () => tf.Tensor): Promise<[number[], number[]]> {
  const found: number[][] = [];
  for (const device of ["cpu", "wasm"] as const) {
    await useDevice(device);
    found.push(tf.tidy(() => [...run().dataSync()]));
  }
  return found as [number[], number[]];
}

const whole = (...shape: number[]) => tf.range(0, tf.util.sizeFromShape(shape), 1, "int32").sub(5).reshape(shape);

test.each([
  ["plain", () => tf.matMul(whole(2, 3), whole(3, 4))],
  ["transposed", () => tf.matMul(whole(3, 2), whole(4, 3), true, true)],
  ["batches of which one is one", () => tf.matMul(whole(2, 3, 2, 3), whole(1, 3, 3, 2))],
  ["a matrix for every batch", () => tf.matMul(whole(2, 3, 2, 3), whole(3, 2))],
  ["no rows", () => tf.matMul(whole(0, 3), whole(3, 2))],
])("matMul of integers is exact: %s", async (_, run) => {
  expect(await both(run)).toEqual(Array(2).fill((await both(run))[0]));
});

test("matMul of integers adds beyond what float32 tells apart", () => {
  const y = tf.tidy(() => tf.matMul(tf.tensor2d([[16_777_217, 1]], [1, 2], "int32"), tf.ones([2, 1], "int32")));
  expect([...y.dataSync()]).toEqual([16_777_218]);
  y.dispose();
});

const drawn = (...shape: number[]) => tf.randomUniform(shape, -1, 1, "float32", 7);

test.each([
  ["i,i->", [[5], [5]]],
  ["ij->ji", [[2, 3]]],
  ["ij->", [[2, 3]]],
  [
    "ij,jk->ik",
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    "ij,kj->ki",
    [
      [2, 3],
      [4, 3],
    ],
  ],
  [
    "bij,bjk->bki",
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
  ],
  [
    "bhid,bhjd->bhij",
    [
      [2, 3, 4, 5],
      [2, 3, 6, 5],
    ],
  ],
  ["i,j->ij", [[3], [4]]],
  [
    "ab,cb->a",
    [
      [2, 3],
      [4, 3],
    ],
  ],
] as [string, number[][]][])("einsum %s is that of the cpu backend", async (equation, shapes) => {
  const [expected, found] = await both(() => tf.einsum(equation, ...shapes.map((shape) => drawn(...shape))));
  expect(found.length).toBe(expected.length);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
});

test("sums into rows leave negative rows out, and refuse rows that are not there", () => {
  const sum = (...ids: number[]) =>
    tf.tidy(() => [...tf.unsortedSegmentSum(tf.ones([3, 2]), tf.tensor1d(ids, "int32"), 2).dataSync()]);
  expect(sum(1, -1, 1)).toEqual([0, 0, 2, 2]);
  expect(() => sum(0, 1, 2)).toThrow("index 2 into a table of 2 rows");
});
