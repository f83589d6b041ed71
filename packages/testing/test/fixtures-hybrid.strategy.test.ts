// Hybrid sharding through the conformance suite, shards x copies up to four ranks, and what it saves.
import { plan } from "@orthant/core";
import { describe, expect, test } from "vitest";
import { type Fixture, pairTraining, testStrategy } from "../src/index.ts";
import { hybrid } from "../strategies/hybrid.ts";

const meshes = [
  ["one shard", (size: number) => ({ shard: 1, replica: size }), [1, 2, 3, 4]],
  ["one copy", (size: number) => ({ shard: size, replica: 1 }), [2, 3, 4]],
  ["as many shards as copies", (size: number) => ({ shard: size, replica: size }), [2]],
] as const;

describe.each(meshes)("%s", (_, mesh, sizes) => {
  const fixture: Fixture = { name: "hybrid", make: ({ size }) => ({ mesh: mesh(size), strategies: hybrid() }) };
  for (const { name, run } of testStrategy(() => fixture, { sizes })) test(name, run);
});

test("keeps 1 / shard of the optimizer state, and sends 1 / shard along the copies", async () => {
  const on = async (shard: number, replica: number) =>
    plan({ ...pairTraining({}), mesh: { shard, replica }, strategies: hybrid() });
  const [whole, halves] = [await on(1, 2), await on(2, 2)];
  expect(halves.ranks[0]!.bytes.optimizer).toBe(whole.ranks[0]!.bytes.optimizer / 2);
  expect(halves.sent.replica).toBe(whole.sent.replica); // two groups of half the bytes
});
