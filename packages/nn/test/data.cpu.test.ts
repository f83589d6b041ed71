// Data from files and arrays: what a sample holds, in which order, what stays in memory, and what is refused with place and reason.
import { ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Data, Sample } from "@orthant/core";
import { afterAll, describe, expect, test } from "vitest";
import { arrays, csv, jsonl, tokens } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-data-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const read = async (data: Data, index: number, seed = 0): Promise<Sample> => data.sample(index, seed);
const both = ({ input, target }: Sample) => [[...input], [...target]];

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

test.each([-1, 0.5, Number.NaN])("arrays: %d is no class", (label) => {
  expect(() => arrays({ inputs: [[1], [2]], targets: [0, label] })).toThrow(
    `row 1 is ${label}; a class is a whole number`,
  );
});

describe("arrays of several inputs and targets", () => {
  const words = [
    [1, 2],
    [3, 4],
  ];

  test("come one after the other, in the order of their names", async () => {
    const data = arrays({
      inputs: { words, picture: [Uint8Array.of(5), Uint8Array.of(6)] },
      targets: { kind: [0, 1], price: [[0.5], [1.5]] },
    });
    expect([data.input.shape, data.target]).toEqual([[3], { shape: [2], dtype: "float32" }]);
    const rows = [both(await read(data, 0)), both(await read(data, 1))].toSorted((a, b) => a[0]![0]! - b[0]![0]!);
    expect(rows).toEqual([
      [
        [1, 2, 5],
        [0, 0.5],
      ],
      [
        [3, 4, 6],
        [1, 1.5],
      ],
    ]);
  });

  test("what does not fit is named", () => {
    expect(() => arrays({ inputs: { words, few: [[1]] }, targets: [0, 1] })).toThrow("few has 1 rows and words has 2");
    expect(() => arrays({ inputs: { words, odd: [[1], [1, 2]] }, targets: [0, 1] })).toThrow(
      "arrays({ inputs.odd }): row 1 has 2 values and row 0 has 1",
    );
    expect(() => arrays({ inputs: {}, targets: [0, 1] })).toThrow("arrays({ inputs }): the record is empty");
  });
});
