// Moves along a dim, on the default group: each against tfjs on whole tensors, with the bytes of its price.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { allToAll, gatherDim, scatterSum, shift } from "../src/group/dims.ts";
import { bytesOf, directGroup, type Group, useDevice } from "../src/index.ts";
import { counted } from "../src/transports/counted.ts";
import { memoryEndpoints } from "../src/transports/memory.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

type Dtype = "float32" | "int32";

/** Elements of member `at` differ from all others'. */
const tensor = (at: number, shape: readonly number[], dtype: Dtype) => {
  const size = shape.reduce((n, d) => n * d, 1);
  return tf.tensor(
    Array.from({ length: size }, (_, i) => i + 1000 * at),
    [...shape],
    dtype,
  );
};

/** Runs `call` on every member with its tensor of `shape`; checks what comes against `expected`. Returns the bytes sent. */
async function check(
  size: number,
  shape: readonly number[],
  dtype: Dtype,
  call: (group: Group, x: tf.Tensor) => Promise<tf.Tensor>,
  expected: (all: tf.Tensor[], at: number) => tf.Tensor,
): Promise<number> {
  const wires = memoryEndpoints(size, { stall: 2000 }).map(counted);
  const ranks = wires.map((_, rank) => rank);
  const groups = wires.map(({ endpoint }) => directGroup("x", endpoint, ranks));
  const found = await Promise.all(groups.map((group, at) => call(group, tensor(at, shape, dtype))));
  const wanted = tf.tidy(() => {
    const all = ranks.map((at) => tensor(at, shape, dtype));
    return ranks.map((at) => expected(all, at));
  });
  for (const [at, x] of found.entries()) {
    const want = wanted[at]!;
    expect([x.shape, x.dtype, [...x.dataSync()]]).toEqual([want.shape, dtype, [...want.dataSync()]]);
  }
  tf.dispose([found, wanted]);
  return wires.reduce((sum, { sent }) => sum + (sent.x ?? 0), 0);
}

const cases = [1, 2, 3, 4].flatMap((size) => (["float32", "int32"] as const).map((dtype) => [size, dtype] as const));

describe.each(cases)("%i members, %s", (size, dtype) => {
  test.each([0, 1, 2])("joins shards along dim %i", async (dim) => {
    const sent = await check(
      size,
      [2, 3, 4],
      dtype,
      (group, x) => gatherDim(group, x, dim, "g"),
      (all) => tf.concat(all, dim),
    );
    expect(sent).toBe(bytesOf({ op: "allGather", sizes: [24 * size] }, size));
    expect(sent).toBe(4 * 24 * size * (size - 1));
  });

  test.each([0, 1, 2])("sums and cuts along dim %i", async (dim) => {
    const shape = [2, 3, 5].map((n, d) => (d === dim ? n * size : n));
    const sent = await check(
      size,
      shape,
      dtype,
      (group, x) => scatterSum(group, x, dim, "s"),
      (all, at) => tf.split(tf.addN(all), size, dim)[at]!,
    );
    expect(sent).toBe(bytesOf({ op: "reduceScatter", sizes: [30 * size] }, size));
  });

  test.each([0, 1, -1, 2])("passes tensors %i places on", async (by) => {
    const sent = await check(
      size,
      [2, 3],
      dtype,
      (group, x) => shift(group, x, by, "r"),
      (all, at) => all[(at - by + 2 * size) % size]!.clone(),
    );
    expect(sent).toBe(by % size === 0 ? 0 : size * bytesOf({ op: "send", sizes: [6] }, size));
  });

  test.each([
    [0, 1],
    [1, 0],
    [2, 0],
    [1, 1],
  ])("cuts along dim %i, joins along dim %i, and back", async (split, join) => {
    const shape = [2, 3, 5].map((n, d) => (d === split ? n * size : n));
    const there = (group: Group, x: tf.Tensor) => allToAll(group, x, split, join, "a");
    const sent = await check(size, shape, dtype, there, (all, at) =>
      tf.concat(
        all.map((x) => tf.split(x, size, split)[at]!),
        join,
      ),
    );
    expect(sent).toBe(bytesOf({ op: "exchange", sizes: [30 * size] }, size));
    const andBack = async (group: Group, x: tf.Tensor) => allToAll(group, await there(group, x), join, split, "b");
    await check(size, shape, dtype, andBack, (all, at) => all[at]!.clone());
  });
});

test("refuses a cut that is not even", async () => {
  const groups = memoryEndpoints(2).map((endpoint) => directGroup("x", endpoint, [0, 1]));
  for (const call of [
    scatterSum(groups[0]!, tf.zeros([4, 3]), 1, "s"),
    allToAll(groups[0]!, tf.zeros([4, 3]), 1, 0, "a"),
  ])
    await expect(call).rejects.toThrow("x 2 does not cut dim 1 of [4, 3]: 3 / 2 is not whole");
  await expect(scatterSum(groups[0]!, tf.zeros([4]), 1, "s")).rejects.toThrow("there is no such dim");
});
