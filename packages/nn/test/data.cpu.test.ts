// Data from files and streams: what a sample holds, in which order, what stays in memory, and what is refused with place and reason.
import { ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Data, Sample } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { afterAll, describe, expect, test } from "vitest";
import { arrays, csv, jsonl, type Pass, type Sides, stream, tokens } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-data-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const read = async (data: Data, index: number, seed = 0): Promise<Sample> => data.sample(index, seed);
const both = ({ input, target }: Sample) => [[...input], [...target]];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("tokens", () => {
  const numbers = Uint16Array.from({ length: 100 }, (_, i) => 65535 - i);
  const path = file("tokens.bin", new Uint8Array(numbers.buffer));

  test("a sample is a window, its target one token on; by seed and number alone", async () => {
    const data = tokens(path, { context: 4 });
    const [one, again] = [await read(data, 7), await read(tokens(path, { context: 4 }), 7)];
    expect(one).toEqual(again);
    expect([...one.target]).toEqual([...one.input].map((v) => v - 1));
    expect(await read(data, 7, 1)).not.toEqual(one);
  });

  test.each(["uint8", "uint32"] as const)("%s", async (dtype) => {
    const Numbers = { uint8: Uint8Array, uint32: Uint32Array }[dtype];
    const values = new Numbers([200, 201, 202, 203, 204, 205]);
    const data = tokens(file(dtype, new Uint8Array(values.buffer)), { context: 5, dtype });
    expect(both(await read(data, 0))).toEqual([
      [200, 201, 202, 203, 204],
      [201, 202, 203, 204, 205],
    ]);
  });

  test("of a gigabyte, only what is asked for is in memory", async () => {
    const big = join(folder, "big.bin");
    const fd = openSync(big, "w");
    ftruncateSync(fd, 2 ** 30);
    writeSync(fd, Uint8Array.of(7, 0), 0, 2, 2 ** 30 - 2);
    const before = process.memoryUsage().rss;
    const data = tokens(big, { context: 1024 });
    for (let i = 0; i < 2000; i++) await read(data, i);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  test("what does not fit is refused", () => {
    expect(() => tokens(path, { context: 100 })).toThrow("100 tokens are too few for context 100, which needs 101");
    expect(() => tokens(file("odd", "abc"), { context: 1 })).toThrow(
      "3 bytes are no whole number of uint16 of 2 bytes",
    );
    expect(() => tokens(join(folder, "none"), { context: 1 })).toThrow("there is no such file");
    expect(() => tokens(file("empty", ""), { context: 1 })).toThrow("the file is empty");
    expect(() => tokens(path, { context: 1.5 })).toThrow("context is 1.5; it must be a whole number from 1");
    expect(() => tokens(path, { context: 1, dtype: "int64" as never })).toThrow('dtype "int64" is none of uint8');
  });
});

describe("jsonl", () => {
  const fields = { input: { shape: [2], dtype: "float32" }, target: { shape: [], dtype: "int32" } } as const;
  const toSample = ({ x, y }: { x: number[]; y: number }) => ({ input: x, target: y });
  const lines = Array.from({ length: 5 }, (_, i) => JSON.stringify({ x: [i, -i], y: i }));

  test("every line once an epoch, in an order of its own; blank lines are left out", async () => {
    const data = jsonl(file("five.jsonl", `\n${lines.join("\n\n")}\n`), { ...fields, toSample });
    const order = await Promise.all(Array.from({ length: 15 }, async (_, i) => (await read(data, i)).target[0]));
    for (const from of [0, 5, 10]) expect(order.slice(from, from + 5).toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set([0, 5, 10].map((from) => order.slice(from, from + 5).join())).size).toBeGreaterThan(1);
    const { input, target } = await read(data, 3);
    expect([...input]).toEqual([target[0]!, -target[0]! || 0].map((v) => v || 0));
  });

  test("lines across the borders of what is read at once", async () => {
    const wide = Array.from({ length: 300 }, (_, i) => JSON.stringify({ x: [i, 1], y: i, pad: "x".repeat(7001) }));
    const data = jsonl(file("wide.jsonl", wide.join("\n")), { ...fields, toSample });
    const seen = await Promise.all(Array.from({ length: 300 }, async (_, i) => (await read(data, i)).target[0]!));
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  test("a line that is no JSON, or has no numbers, is named", async () => {
    const spoilt = jsonl(file("spoilt.jsonl", "{oops"), { ...fields, toSample });
    await expect(read(spoilt, 0)).rejects.toThrow("line 1 of those that are not blank, {oops: ");
    const words = jsonl(file("words.jsonl", '{"x": ["a", 1], "y": 0}'), { ...fields, toSample });
    expect([...(await read(words, 0)).input]).toEqual([Number.NaN, 1]);
    expect(() => jsonl(file("blank.jsonl", "\n\n"), { ...fields, toSample })).toThrow("every line is blank");
  });
});

describe("csv", () => {
  const table = 'length,"wide, too",kind\n1,2,cat\n3,4,"dog"\n';

  test("columns of numbers in, a column of classes out", async () => {
    const data = csv(file("pets.csv", table), { target: "kind", classes: ["cat", "dog"] });
    const rows = [both(await read(data, 0)), both(await read(data, 1))].toSorted((a, b) => a[0]![0]! - b[0]![0]!);
    expect(rows).toEqual([
      [[1, 2], [0]],
      [[3, 4], [1]],
    ]);
    expect(data.target).toEqual({ shape: [], dtype: "int32" });
  });

  test("several columns of numbers out; another separator", async () => {
    const data = csv(file("numbers.csv", "a;b;c\n1;2;3"), { target: ["c", "a"], separator: ";" });
    expect(both(await read(data, 0))).toEqual([[2], [3, 1]]);
  });

  test.each<[string, string, string]>([
    ["a word among numbers", "a,b\n1,2\nx,3\n", 'row 2 has "x" in column a, which is no number'],
    ["an empty cell", "a,b\n,2\n", 'row 1 has "" in column a'],
    ["a row too long", "a,b\n1,2,3\n", "line 2 has 3 values and the first line 2 names"],
    ["no such column", "a,c\n1,2\n", "there is no column b; there are a, c"],
  ])("%s is refused", (name, content, message) => {
    expect(() => csv(file(`${name}.csv`, content), { target: "b" })).toThrow(message);
  });

  test("a class that was not named is refused", () => {
    expect(() => csv(file("birds.csv", "a,b\n1,hen\n"), { target: "b", classes: ["cat"] })).toThrow(
      'row 1 has "hen" in column b; the classes are cat',
    );
  });
});

describe("stream", () => {
  const fields = { input: { shape: [1], dtype: "float32" }, target: { shape: [1], dtype: "float32" } } as const;
  const one = (i: number): Sides => ({ input: Float32Array.of(i), target: Float32Array.of(-i) });
  async function* counting(count = Number.POSITIVE_INFINITY, ms?: number, log: number[] = []) {
    for (let i = 0; i < count; i++) {
      if (ms !== undefined) await sleep(ms);
      log.push(i);
      yield one(i);
    }
  }

  test("samples by number, in whatever order a step asks for them", async () => {
    const data = stream(() => counting(), fields);
    expect(both(await read(data, 5))).toEqual([[5], [-5]]);
    expect(both(await read(data, 2))).toEqual([[2], [-2]]);
  });

  test("no more is drawn than was asked for and what lies ahead", async () => {
    const log: number[] = [];
    const data = stream(() => counting(undefined, undefined, log), { ...fields, ahead: 3 });
    await read(data, 1);
    await sleep(5);
    expect(log).toEqual([0, 1, 2, 3, 4]);
  });

  test("while the caller waits for something else, the next samples come", async () => {
    const log: number[] = [];
    const data = stream(() => counting(undefined, 1, log), { ...fields, ahead: 10 });
    await read(data, 0);
    await expect.poll(() => log.length).toBe(11);
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await Promise.all(Array.from({ length: 10 }, (_, i) => read(data, 1 + i)));
    expect(turned).toBe(false);
  });

  test("a stream that ends is drawn once more, with the next epoch; one without samples is refused", async () => {
    const passes: unknown[] = [];
    const data = stream(
      (pass) => {
        passes.push(pass);
        return counting(3);
      },
      { ...fields, ahead: 0 },
    );
    expect(both(await read(data, 4, 9))).toEqual([[1], [-1]]);
    expect(passes).toEqual([
      { seed: 9, epoch: 0, from: 0 },
      { seed: 9, epoch: 1, from: 3 },
    ]);
    await expect(
      read(
        stream(() => counting(0), fields),
        0,
      ),
    ).rejects.toThrow("stream(): epoch 0 has no samples from 0 on");
  });

  test("samples before the oldest are let go; for one of them the stream is opened anew", async () => {
    const log: number[] = [];
    let ended = 0;
    const data = stream(
      async function* () {
        try {
          yield* counting(undefined, undefined, log);
        } finally {
          ended++;
        }
      },
      { ...fields, ahead: 0 },
    );
    await data.sample(8, 0, 4);
    expect(both(await data.sample(4, 0, 4))).toEqual([[4], [-4]]);
    expect(log.at(-1)).toBe(8);
    expect(both(await data.sample(3, 0, 0))).toEqual([[3], [-3]]);
    expect({ last: log.at(-1), ended }).toEqual({ last: 3, ended: 1 });
  });

  test("an element that is a function is called for the samples of this worker alone, and ahead of them", async () => {
    const made: number[] = [];
    const data = stream(
      async function* () {
        for (let i = 0; ; i++)
          yield async () => {
            made.push(i);
            return one(i);
          };
      },
      { ...fields, ahead: 8 },
    );
    const step = (at: number) => Promise.all([1, 2].map((i) => data.sample(4 * at + i, 0, Math.max(0, at - 1) * 4)));
    expect((await step(0)).map(both)).toEqual([1, 2].map((i) => [[i], [-i]]));
    await step(1);
    expect(made).toEqual([1, 2, 5, 6]);
    await step(2);
    await expect.poll(() => made.toSorted((a, b) => a - b)).toEqual([1, 2, 5, 6, 9, 10, 13, 14, 17, 18]);
  });

  test("what a function throws is told where its sample is asked for", async () => {
    const data = stream(async function* () {
      for (let i = 0; ; i++)
        yield () => {
          if (i === 1) throw new Error("no such picture");
          return one(i) as Sides;
        };
    }, fields);
    expect(both(await read(data, 2))).toEqual([[2], [-2]]);
    await expect(read(data, 1)).rejects.toThrow("no such picture");
  });

  test("a run that goes on: samples before it are dropped, or with seek not drawn", async () => {
    const log: number[] = [];
    const dropped = stream(() => counting(undefined, undefined, log), { ...fields, ahead: 0 });
    expect(both(await dropped.sample(101, 0, 96))).toEqual([[101], [-101]]);
    expect(log.length).toBe(102);
    const sought = stream(
      async function* ({ from }: Pass) {
        for (let i = from; ; i++) {
          log.push(i);
          yield one(i);
        }
      },
      { ...fields, ahead: 0, seek: true },
    );
    log.length = 0;
    expect(both(await sought.sample(101, 0, 96))).toEqual([[101], [-101]]);
    expect(log).toEqual([96, 97, 98, 99, 100, 101]);
  });

  test("several inputs and targets come one after the other", async () => {
    const data = stream(
      async function* () {
        yield {
          input: [Float32Array.of(1, 2), Int32Array.of(3)],
          target: { a: Int32Array.of(4), b: Int32Array.of(5) },
        };
        yield { input: [tf.tensor1d([1, 2]), tf.scalar(3)], target: [Int32Array.of(4), [5]] as never };
      },
      { ...fields, ahead: 0 },
    );
    expect(await read(data, 0)).toEqual({ input: Float32Array.of(1, 2, 3), target: Int32Array.of(4, 5) });
    const { input, target } = await read(data, 1);
    expect([input, target]).toEqual([Float32Array.of(1, 2, 3), [Int32Array.of(4), [5]]]); // refused when it is read
  });

  test("an error of the generator is told where its sample is asked for", async () => {
    const data = stream(async function* () {
      yield one(0);
      throw new Error("the disk is gone");
    }, fields);
    await read(data, 0);
    await expect(read(data, 1)).rejects.toThrow("the disk is gone");
  });

  test("a tf.data dataset, whose tensors are freed", async () => {
    const before = tf.memory().numTensors;
    const rows = [0, 1, 2].map((i) => ({ xs: [i], ys: [-i] }));
    const dataset = tf.data.array(rows).map((row) => {
      const { xs, ys } = row as unknown as { xs: number[]; ys: number[] };
      return { xs: tf.tensor1d(xs), ys: tf.tensor1d(ys) };
    });
    const data = stream(dataset, { ...fields, ahead: 0 });
    for (const i of [0, 1, 2, 3]) expect((await read(data, i)).input[0]).toBe(i % 3);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("what is no source is refused", () => {
    expect(() => stream(counting(3) as never, fields)).toThrow("give a function that opens an asynchronous generator");
    expect(() => stream(() => counting(), { ...fields, ahead: -1 })).toThrow("stream({ ahead: -1 })");
    expect(() => stream(tf.data.array([]), { ...fields, seek: true })).toThrow("stream({ seek }): a tf.data dataset");
  });
});

test.each([-1, 0.5, Number.NaN])("arrays: %d is no class", (label) => {
  expect(() => arrays({ inputs: [[1], [2]], targets: [0, label] })).toThrow(
    `row 1 is ${label}; a class is a whole number`,
  );
});
