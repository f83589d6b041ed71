// A gather ahead that fails: whoever uses its parameters says so, and no promise is left that nobody listens to.
import { type Endpoint, memory, sgd, train } from "@orthant/core";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { expect, it } from "vitest";
import { zero } from "../src/index.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Loses at once what rank 1 is sent for the second gather of a step; the first, which it needs before, comes late. */
const wrap = (inner: Endpoint): Endpoint => ({
  ...inner,
  async recv(from, key) {
    if (inner.rank === 1 && key.includes("gather 1 ")) throw new Error("the link is cut");
    if (inner.rank === 1 && key.includes("gather 0 ")) await pause(20);
    return inner.recv(from, key);
  },
});

it("rejects once, where the parameters are used", async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.prependListener("unhandledRejection", hear);
  const trained = train({
    model: tinyGpt({ layers: 2 }),
    data: tinySequences(),
    batch: 4,
    mesh: { dp: 2 },
    strategies: [zero({ stage: 3, bucketBytes: 0, prefetch: 2 })],
    optimizer: sgd({ lr: 0.1 }),
    steps: 1,
    transport: memory({ wrap }),
    run: false,
    quiet: true,
  });
  await expect(trained).rejects.toThrow(/the link is cut/);
  await pause(20); // rejections that nobody heard are told after a turn
  process.removeListener("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});
