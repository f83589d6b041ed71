// The default group: what its methods give, on groups of 1 to 4 and of 9, who owns a tensor, what is refused, and that it can
// be wrapped.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, chunk, directGroup, type Group, inOrder, useDevice } from "../src/index.ts";
import { counted } from "../src/transports/counted.ts";
import { memoryEndpoints } from "../src/transports/memory.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** Runs `call` on every member; what they return and the bytes that all sent. */
async function together<T>(size: number, call: (group: Group) => Promise<T>) {
  const wires = memoryEndpoints(size, { stall: 2000 }).map(counted);
  const ranks = wires.map((_, rank) => rank);
  const all = await Promise.all(wires.map(({ endpoint }) => call(directGroup("x", endpoint, ranks))));
  await Promise.all(wires.map(({ endpoint }) => endpoint.close()));
  return { all, sent: wires.reduce((sum, { sent }) => sum + (sent.x ?? 0), 0) };
}

/** The values of tensors, which are disposed. */
const values = (xs: readonly tf.Tensor[]) =>
  xs.map((x) => {
    const found = { shape: x.shape, dtype: x.dtype, values: [...x.dataSync()] };
    x.dispose();
    return found;
  });

const tensor = (at: number, shape: number[], dtype: "float32" | "int32" = "float32") => {
  const size = shape.reduce((n, d) => n * d, 1);
  return tf.tensor(
    Array.from({ length: size }, (_, i) => i + 100 * at),
    shape,
    dtype,
  );
};
const shapes = [[2, 3], [5], []];
const sizes = [6, 5, 1];
const given = (at: number, dtype: "float32" | "int32") => shapes.map((shape) => tensor(at, shape, dtype));
const sum = (size: number, v: number) =>
  Array.from({ length: sizes[v]! }, (_, i) => size * i + (100 * size * (size - 1)) / 2);

describe.each([1, 2, 3, 4, 9])("a group of %i", (size) => {
  test.each(["float32", "int32"] as const)("sums, cuts and joins %s tensors", async (dtype) => {
    const { all, sent } = await together(size, async (group) => {
      const sums = values(await group.allReduce(given(group.rank, dtype), "sum"));
      const chunks = await group.reduceScatter(given(group.rank, dtype), "cut");
      const cuts = chunks.map((part) => [...part.dataSync()]);
      return { sums, cuts, joined: values(await group.allGather(chunks, shapes, "join")) };
    });
    const sums = shapes.map((shape, v) => ({ shape, dtype, values: sum(size, v) }));
    for (const [at, { sums: found, cuts, joined }] of all.entries()) {
      expect([found, joined]).toEqual([sums, sums]);
      expect(cuts).toEqual(sums.map(({ values }) => values.slice(...chunk(values.length, size, at))));
    }
    const ops = ["allReduce", "reduceScatter", "allGather"] as const;
    expect(sent).toBe(ops.reduce((bytes, op) => bytes + bytesOf({ op, sizes, dtype }, size), 0));
  });

  test("exchanges bytes of any length, all to all", async () => {
    const part = (from: number, to: number) => new Uint8Array((3 * from + to) % 4).fill(10 * from + to);
    const { all } = await together(size, async (group) => {
      const parts = Array.from({ length: size }, (_, to) => part(group.rank, to));
      const found = await group.exchange(parts, "swap");
      expect(found[group.rank]).toBe(parts[group.rank]);
      return found;
    });
    for (const [to, found] of all.entries()) expect(found).toEqual(all.map((_, from) => part(from, to)));
  });

  test("equal parts of an exchange cost their price", async () => {
    const { sent } = await together(size, (group) =>
      group.exchange(
        Array.from({ length: size }, () => new Uint8Array(5)),
        "swap",
      ),
    );
    expect(sent).toBe(bytesOf({ op: "exchange", sizes: [5 * size], dtype: "uint8" }, size));
  });

  test("sends shape and dtype with a tensor", async () => {
    const flags = () => tf.tensor1d([1, 0, 1], "bool");
    const { all, sent } = await together(size, async (group) => {
      const [to, from] = [(group.rank + 1) % size, (group.rank + size - 1) % size];
      const xs = [tensor(group.rank, [2, 1, 2]), tensor(group.rank, [], "int32"), flags()];
      await Promise.all(xs.map((x, i) => group.send(to, x, `${i}`)));
      return values(await Promise.all(xs.map((_, i) => group.recv(from, `${i}`))));
    });
    for (const [at, found] of all.entries()) {
      const from = (at + size - 1) % size;
      expect(found).toEqual(values([tensor(from, [2, 1, 2]), tensor(from, [], "int32"), flags()]));
    }
    const price =
      bytesOf({ op: "send", sizes: [4, 1] }, size) + bytesOf({ op: "send", sizes: [3], dtype: "uint8" }, size);
    if (size > 1) expect(sent).toBe(size * price);
  });

  test("hands no tensors back for none", async () => {
    const { sent } = await together(size, async (group) => {
      expect(await group.allReduce([], "sum")).toEqual([]);
      expect(await group.reduceScatter([], "cut")).toEqual([]);
      expect(await group.allGather([], [], "join")).toEqual([]);
    });
    expect(sent).toBe(0);
  });

  const refusals: Record<string, [call: (group: Group) => Promise<unknown>, why: string]> = {
    "a sum of bools": [
      (group) => group.allReduce([tf.tensor1d([1, 0], "bool")], "b"),
      "x.all-reduce b: allReduce of bool: sums are of float32, float64, int32; convert to float32, or exchange() the bytes",
    ],
    "a scattered sum of bools": [
      (group) => group.reduceScatter([tf.tensor1d([1, 0], "bool")], "b"),
      "x.reduce-scatter b: reduceScatter of bool: sums are of float32, float64, int32",
    ],
    strings: [
      (group) => group.allReduce([tf.tensor1d(["a"])], "s"),
      "x.all-reduce s: string tensors: send float32, int32",
    ],
    "complex numbers": [
      (group) => group.send(0, tf.complex([1], [2]), "c"),
      "x.send c: complex64 tensors: send float32, int32 or bool, or exchange() the bytes",
    ],
    "two dtypes in one call": [
      (group) => group.allReduce([tensor(0, [2]), tensor(0, [2], "int32")], "m"),
      "x.all-reduce m: float32 and int32 tensors in one call: make a call for each dtype",
    ],
    "a chunk that is not this member's": [
      (group) => group.allGather([tensor(0, [100])], [[size]], "g"),
      "x.all-gather g: this member's chunk of",
    ],
    "parts for others than the members": [
      (group) => group.exchange(Array(size + 1).fill(new Uint8Array(1)), "e"),
      `x.exchange e: ${size + 1} parts for ${size} members`,
    ],
  };

  test.each(Object.entries(refusals))("refuses %s before a byte is sent", async (_, [call, why]) => {
    const { sent } = await together(size, (group) => expect(call(group)).rejects.toThrow(why));
    expect(sent).toBe(0);
  });

  test("is wrapped by spreading it", async () => {
    const seen: string[] = [];
    const { all } = await together(size, async (group) => {
      const wrapped: Group = {
        ...group,
        allReduce(xs, at) {
          seen.push(at);
          return group.allReduce(xs, at);
        },
      };
      return values(await wrapped.allReduce([tensor(wrapped.rank, [5])], "sum"))[0]!.values;
    });
    expect(all).toEqual(all.map(() => sum(size, 1)));
    expect(seen.length).toBe(size);
  });
});

describe.each([1, 2, 3, 4])("calls in order, on %i members", (size) => {
  test("each begins when the one before has settled, in the order they were made", async () => {
    const { all } = await together(size, async (group) => {
      const log: string[] = [];
      const told = <T>(name: string, call: Promise<T>): Promise<T> => {
        log.push(`${name} begins`);
        return call.finally(() => log.push(`${name} ends`));
      };
      const queued = inOrder({
        ...group,
        allReduce: (xs, at) => told(at, group.allReduce(xs, at)),
        exchange: (parts, at) => told(at, group.exchange(parts, at)),
      });
      const parts = Array.from({ length: size }, () => new Uint8Array(4));
      const failed = expect(queued.exchange([], "third")).rejects.toThrow();
      const calls = ["first", "second"].map((at) => queued.allReduce([tensor(group.rank, [5])], at));
      const last = queued.exchange(parts, "last");
      for (const sums of await Promise.all(calls)) expect(values(sums)[0]!.values).toEqual(sum(size, 1));
      await Promise.all([failed, last]);
      return log;
    });
    const names = ["third", "first", "second", "last"];
    for (const log of all) expect(log).toEqual(names.flatMap((name) => [`${name} begins`, `${name} ends`]));
  });
});
