// Collectives of vectors that travel in many slices, two at a time, over any transport, as plain cases.
import { equal } from "node:assert/strict";
import type { Case, OpenTransport } from "@orthant/testing";
import { allGather, allReduce, reduceScatter } from "../src/group/collectives.ts";
import type { Members } from "../src/group/vectors.ts";

const sizes = [5, 2 ** 21 + 3, 0, 2 ** 20 + 1];

/** Values of member `at`: the bits of their sums depend on the order. */
const vectors = (at: number): Float32Array[] =>
  sizes.map((size, v) => {
    const vector = new Float32Array(size);
    for (let i = 0; i < size; i++) vector[i] = ((i + v) % 8191) / (at + 3);
    return vector;
  });

/** The sums over members 0 .. size - 1 in this order. */
function sums(size: number): Float32Array[] {
  const totals = vectors(0);
  for (let at = 1; at < size; at++)
    for (const [v, vector] of vectors(at).entries())
      for (let i = 0; i < vector.length; i++) totals[v]![i]! += vector[i]!;
  return totals;
}

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

function checkSame(found: readonly Float32Array[], expected: readonly Float32Array[], what: string): void {
  equal(found.length, expected.length, what);
  for (const [v, vector] of found.entries()) equal(bytes(vector).equals(bytes(expected[v]!)), true, `${what} ${v}`);
}

async function check(members: Members, expected: readonly Float32Array[]): Promise<void> {
  const mine = vectors(members.at);
  const [reduced, scattered] = await Promise.all([
    allReduce(members, mine, "x.all-reduce"),
    reduceScatter(members, mine, "x.reduce-scatter"),
  ]);
  const gathered = await allGather(members, scattered, sizes, "x.all-gather");
  checkSame(reduced, expected, "all-reduce");
  checkSame(gathered, expected, "reduce-scatter, then all-gather");
  checkSame(mine, vectors(members.at), "what was sent");
}

export const sliceCases = (open: OpenTransport): Case[] =>
  [2, 3].map((size) => ({
    name: `collectives of many slices, among ${size}`,
    async run() {
      const { endpoints, close } = await open(size);
      const ranks = [...endpoints.keys()];
      try {
        const expected = sums(size);
        await Promise.all(endpoints.map((endpoint, at) => check({ endpoint, ranks, at }, expected)));
      } finally {
        await Promise.all(endpoints.map((transport) => transport.close()));
        await close();
      }
    },
  }));
