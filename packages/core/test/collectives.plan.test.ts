// Collectives on vectors against plain sums, on groups of 2 to 4 (a `Group` of one makes no calls), with bytes as the formulas say.
import { expect, test } from "vitest";
import { allGather, allReduce, gather, type Members, reduceScatter } from "../src/group/collectives.ts";
import { chunk } from "../src/index.ts";
import { normal } from "../src/params/random.ts";
import { counted } from "../src/transports/counted.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";

const lengths = [12, 0, 5, 1];

/** Vectors of member `at`. */
const vectors = (at: number) => lengths.map((n, v) => Float32Array.from({ length: n }, (_, i) => normal([at, v], i)));

/** The sum over members 0 .. size - 1 in this order, in float32. */
const sums = (size: number) =>
  vectors(0).map((first, v) => {
    for (let at = 1; at < size; at++) for (const [i, x] of vectors(at)[v]!.entries()) first[i]! += x;
    return first;
  });

/** Runs `call` on every member; the answers, and the elements that all members sent. */
async function together<T>(size: number, call: (members: Members) => Promise<T>): Promise<{ all: T[]; sent: number }> {
  const wires = memory(size, { stall: 2000 }).map(counted);
  const ranks = wires.map((_, rank) => rank);
  const all = await Promise.all(wires.map(({ endpoint }, at) => call({ endpoint, ranks, at })));
  await Promise.all(wires.map(({ endpoint }) => endpoint.close()));
  return { all, sent: wires.reduce((sum, { sent }) => sum + (sent.x ?? 0), 0) / 4 };
}

const total = lengths.reduce((sum, n) => sum + n, 0);

test.each([2, 3, 4])(
  "all-reduce of %i: the sums in rank order, bit by bit, and 2 (N-1)/N of the elements",
  async (size) => {
    const { all, sent } = await together(size, (members) => allReduce(members, vectors(members.at), "x.all-reduce"));
    for (const found of all) expect(found).toEqual(sums(size));
    expect(sent).toBe(2 * (size - 1) * total);
  },
);

test.each([2, 3, 4])("reduce-scatter of %i: each its chunk of the sums, and (N-1)/N of the elements", async (size) => {
  const { all, sent } = await together(size, (members) => reduceScatter(members, vectors(members.at), "x.scatter"));
  for (const [at, found] of all.entries())
    expect(found).toEqual(sums(size).map((sum) => sum.slice(...chunk(sum.length, size, at))));
  expect(sent).toBe((size - 1) * total);
});

test.each([1, 2, 3, 4])("all-gather of %i: whole vectors from chunks, and (N-1)/N of the elements", async (size) => {
  const chunks = (at: number) => vectors(0).map((whole) => whole.slice(...chunk(whole.length, size, at)));
  const { all, sent } = await together(size, (members) => allGather(members, chunks(members.at), lengths, "x.gather"));
  for (const found of all) expect(found).toEqual(vectors(0));
  expect(sent).toBe((size - 1) * total);
});

test.each([1, 2, 3, 4])("gather of %i: every member's vector, of any length and kind, in group order", async (size) => {
  const mine = (at: number) => Float64Array.from({ length: at + 1 }, (_, i) => at + i / 3);
  const { all } = await together(size, (members) => gather(members, mine(members.at), "x.gather"));
  for (const found of all) expect(found).toEqual(Array.from({ length: size }, (_, at) => mine(at)));
});

test("inputs are left as they were", async () => {
  const given = [0, 1, 2].map(vectors);
  await together(3, (members) => allReduce(members, given[members.at]!, "x.all-reduce"));
  expect(given).toEqual([0, 1, 2].map(vectors));
});

test.each([2, 3])("vectors of many slices, among %i: each value in its place", async (size) => {
  const sizes = [5, 2 ** 21 + 3, 0, 2 ** 20 + 1];
  const wholes = sizes.map((n, v) => Float32Array.from({ length: n }, (_, i) => (i + v) % 8191));
  const sums = wholes.map((whole) => whole.map((x) => size * x));
  const elements = sizes.reduce((sum, n) => sum + n, 0);
  const chunks = (at: number) => wholes.map((whole) => whole.subarray(...chunk(whole.length, size, at)));
  const same = (found: Float32Array[], expected: Float32Array[]) =>
    found.map((x, v) => Buffer.from(x.buffer).equals(Buffer.from(expected[v]!.buffer)));
  const gathered = await together(size, (members) => allGather(members, chunks(members.at), sizes, "x.gather"));
  for (const found of gathered.all) expect(same(found, wholes)).toEqual([true, true, true, true]);
  const reduced = await together(size, (members) => allReduce(members, wholes, "x.all-reduce"));
  for (const found of reduced.all) expect(same(found, sums)).toEqual([true, true, true, true]);
  expect([gathered.sent, reduced.sent]).toEqual([(size - 1) * elements, 2 * (size - 1) * elements]);
});
