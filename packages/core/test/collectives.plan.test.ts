// Collectives on vectors against plain sums, directly and over a tree (a `Group` of one makes no calls), and each call's bytes
// against its price.
import { describe, expect, test } from "vitest";
import { allGather, allReduce, reduceScatter } from "../src/group/collectives.ts";
import * as direct from "../src/group/direct-exchange.ts";
import { bytesOf, type Call } from "../src/group/price.ts";
import * as tree from "../src/group/tree.ts";
import type { Members, Vector } from "../src/group/vectors.ts";
import { chunk } from "../src/index.ts";
import { normal } from "../src/params/random.ts";
import { counted } from "../src/transports/counted.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";

const lengths = [12, 0, 5, 1];

/** Vectors of member `at`: float sums of them depend on the order. */
const vectors = (at: number) => lengths.map((n, v) => Float32Array.from({ length: n }, (_, i) => normal([at, v], i)));

/** Adds up over members 0 .. size - 1 in this order. */
const sums = (size: number, of: (at: number) => Vector[] = vectors) =>
  of(0).map((first, v) => {
    for (let at = 1; at < size; at++) for (const [i, x] of of(at)[v]!.entries()) first[i]! += x;
    return first;
  });

/** Runs `call` on every member; the answers, the bytes that all sent, and the most messages that one sent. */
async function together<T>(size: number, call: (members: Members) => Promise<T>) {
  const messages: number[] = Array(size).fill(0);
  const wires = memory(size, { stall: 2000 }).map((inner) =>
    counted({
      ...inner,
      send(to, key, frame) {
        messages[inner.rank]! += to.length;
        return inner.send(to, key, frame);
      },
    }),
  );
  const ranks = wires.map((_, rank) => rank);
  const all = await Promise.all(wires.map(({ endpoint }, at) => call({ endpoint, ranks, at })));
  await Promise.all(wires.map(({ endpoint }) => endpoint.close()));
  return { all, sent: wires.reduce((sum, { sent }) => sum + (sent.x ?? 0), 0), messages: Math.max(...messages) };
}

const total = lengths.reduce((sum, n) => sum + n, 0);
const price = (op: Call["op"], sizes: readonly number[], size: number) => bytesOf({ op, sizes }, size);
const chunksOf = (wholes: Float32Array[], size: number, at: number) =>
  wholes.map((whole) => whole.slice(...chunk(whole.length, size, at)));

/** Up to 8 members exchange directly, more over a tree. */
const few = [2, 3, 4, 5, 6, 7, 8];
const many = [9, 16, 33];

describe.each([...few, ...many])("%i members", (size) => {
  const log2 = Math.ceil(Math.log2(size));

  test("all-reduce: the sums in rank order, bit by bit, and bytes as priced", async () => {
    const found = await together(size, (members) => allReduce(members, vectors(members.at), "x.all-reduce"));
    for (const each of found.all) expect(each).toEqual(sums(size));
    expect(found.sent).toBe(price("allReduce", lengths, size));
    if (size <= 8) expect(found.sent).toBe(4 * 2 * (size - 1) * total);
    else expect(found.messages).toBeLessThanOrEqual(1 + log2);
  });

  test("reduce-scatter: each its chunk of the sums, and bytes as priced", async () => {
    const found = await together(size, (members) => reduceScatter(members, vectors(members.at), "x.scatter"));
    for (const [at, each] of found.all.entries()) expect(each).toEqual(chunksOf(sums(size) as never, size, at));
    expect(found.sent).toBe(price("reduceScatter", lengths, size));
    if (size <= 8) expect(found.sent).toBe(4 * (size - 1) * total);
    else expect(found.messages).toBeLessThanOrEqual(1 + log2);
  });

  test("all-gather: whole vectors from chunks, and bytes as priced", async () => {
    const found = await together(size, (members) =>
      allGather(members, chunksOf(vectors(0), size, members.at), lengths, "x.gather"),
    );
    for (const each of found.all) expect(each).toEqual(vectors(0));
    expect(found.sent).toBe(price("allGather", lengths, size));
    if (size <= 8) expect(found.sent).toBe(4 * (size - 1) * total);
    else expect(found.messages).toBeLessThanOrEqual(1 + log2);
  });

  test("the tree and the direct exchange give the same bits", async () => {
    const blank = () => vectors(0).map((vector) => new Float32Array(vector.length));
    const run = (way: typeof tree | typeof direct) =>
      together(size, async (members) => {
        const [whole, chunks] = [blank(), chunksOf(blank(), size, members.at)];
        await way.allReduce(members, vectors(members.at), "x.all-reduce", whole);
        await way.reduceScatter(members, vectors(members.at), "x.reduce-scatter", chunks);
        const again = blank();
        await way.allGather(members, chunks, "x.all-gather", again);
        return { whole, chunks, again };
      });
    const [byTree, directly] = [await run(tree), await run(direct)];
    expect(byTree.all).toEqual(directly.all);
    expect(byTree.all[0]!.again).toEqual(byTree.all[0]!.whole);
  });

  test("gather to the first: vectors of any length in group order; broadcast: the first's to all", async () => {
    const mine = (at: number) => Float64Array.from({ length: at % 3 }, (_, i) => at + i / 3);
    const { all, messages } = await together(size, async (members) => {
      const found = await tree.gatherToFirst(members, mine(members.at), "x.gather");
      return tree.broadcast(members, found, "x.gather");
    });
    const expected = Float64Array.from(Array.from({ length: size }, (_, at) => [...mine(at)]).flat());
    for (const found of all) expect(found).toEqual(expected);
    expect(messages).toBeLessThanOrEqual(1 + log2);
  });
});

test.each([3, 9])("int32 among %i: the int32 sums, which may wrap", async (size) => {
  const ints = (at: number) => [Int32Array.of(2 ** 30, at, -(2 ** 31) + at), Int32Array.of(7)];
  const { all } = await together(size, (members) => allReduce(members, ints(members.at), "x.all-reduce"));
  for (const found of all) expect(found).toEqual(sums(size, ints));
});

test.each([3, 9])("float64 among %i", async (size) => {
  const doubles = (at: number) => [Float64Array.of(1 / (at + 3), 1e300, at)];
  const { all } = await together(size, (members) => allReduce(members, doubles(members.at), "x.all-reduce"));
  for (const found of all) expect(found).toEqual(sums(size, doubles));
});

test.each([3, 9])("inputs are left as they were, among %i", async (size) => {
  const given = Array.from({ length: size }, (_, at) => vectors(at));
  await together(size, (members) => allReduce(members, given[members.at]!, "x.all-reduce"));
  expect(given).toEqual(given.map((_, at) => vectors(at)));
});

test("a group of many exchanges much directly", async () => {
  const sizes = [2 ** 13 + 1];
  const { all, sent } = await together(9, ({ at, ...rest }) =>
    allReduce({ at, ...rest }, [new Float32Array(sizes[0]!).fill(at)], "x.all-reduce"),
  );
  for (const [found] of all) expect(new Set(found)).toEqual(new Set([36]));
  expect(sent).toBe(4 * 2 * 8 * sizes[0]!);
  expect(sent).toBe(price("allReduce", sizes, 9));
});

test.each([2, 3])("vectors of many slices, among %i: each value in its place", async (size) => {
  const sizes = [5, 2 ** 21 + 3, 0, 2 ** 20 + 1];
  const wholes = sizes.map((n, v) => Float32Array.from({ length: n }, (_, i) => (i + v) % 8191));
  const sums = wholes.map((whole) => whole.map((x) => size * x));
  const chunks = (at: number) => wholes.map((whole) => whole.subarray(...chunk(whole.length, size, at)));
  const same = (found: readonly Float32Array[], expected: Float32Array[]) =>
    found.map((x, v) => Buffer.from(x.buffer).equals(Buffer.from(expected[v]!.buffer)));
  const gathered = await together(size, (members) => allGather(members, chunks(members.at), sizes, "x.gather"));
  for (const found of gathered.all) expect(same(found, wholes)).toEqual([true, true, true, true]);
  const reduced = await together(size, (members) => allReduce(members, wholes, "x.all-reduce"));
  for (const found of reduced.all) expect(same(found, sums)).toEqual([true, true, true, true]);
  expect([gathered.sent, reduced.sent]).toEqual([price("allGather", sizes, size), price("allReduce", sizes, size)]);
});
