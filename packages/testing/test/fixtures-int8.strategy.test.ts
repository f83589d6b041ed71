// The int8 wire through the conformance suite, under ZeRO 0 and 3; and what error feedback is for.
import { directGroup, type Group, memoryEndpoints } from "@orthant/core";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { type Fixture, observe, pairTraining, testStrategy } from "../src/index.ts";
import { int8Fixture } from "../strategies/fixtures.ts";
import { int8 } from "../strategies/int8.ts";

const under3: Fixture = {
  name: "int8 under zero 3",
  tolerance: int8Fixture.tolerance!,
  make: ({ size, batch }) => ({
    mesh: { [batch]: size },
    strategies: [int8({ axis: batch }), zero({ stage: 3, axis: batch })],
  }),
};

describe.each([int8Fixture, under3])("$name conforms", (fixture) => {
  for (const { name, run } of testStrategy(() => fixture)) test(name, run);
});

test("sends about a quarter of the bytes", async () => {
  const sent = async (wires: readonly ReturnType<typeof int8>[]) =>
    (await observe({ ...pairTraining({}), mesh: { dp: 2 }, strategies: [zero({ stage: 0 }), ...wires] })).sent.dp!;
  const ratio = (await sent([int8({ axis: "dp" })])) / (await sent([]));
  expect(ratio).toBeGreaterThan(0.25);
  expect(ratio).toBeLessThan(0.3);
});

/** Runs what every member does on a group of its own. */
const together = <T>(members: number, feedback: boolean, each: (group: Group) => Promise<T>): Promise<T[]> => {
  const ranks = Array.from({ length: members }, (_, i) => i);
  const wire = int8({ axis: "dp", feedback }).wire!;
  return Promise.all(memoryEndpoints(members).map((endpoint) => each(wire.wrap(directGroup("dp", endpoint, ranks)))));
};

describe.each([2, 3, 4])("the same gradient in 64 steps on %i members", (members) => {
  const length = 100;
  const isLarge = (i: number) => i % 20 === 0;
  /** Large elements set the scale; the others are lost in rounding, step by step. */
  const gradient = (rank: number) =>
    Float32Array.from({ length }, (_, i) => (isLarge(i) ? 100 : Math.sin(i + rank) / 4));
  const exact = Array.from({ length }, (_, i) =>
    Array.from({ length: members }, (_, rank) => gradient(rank)[i]!).reduce((a, b) => a + b),
  );

  /** Norm of the error of the mean over steps, relative, on each member. */
  const errors = (feedback: boolean) =>
    together(members, feedback, async (group) => {
      const mean = new Float32Array(length);
      for (let step = 0; step < 64; step++) {
        const [sum] = await group.allReduce([tf.tensor1d(gradient(group.rank))], `step ${step} end`);
        for (const [i, x] of (await sum!.data()).entries()) mean[i]! += x / 64;
        sum!.dispose();
      }
      const norm = (xs: readonly number[]) => Math.hypot(...xs.filter((_, i) => !isLarge(i)));
      return norm(exact.map((x, i) => mean[i]! - x)) / norm(exact);
    });

  test("comes out right in the mean, by what was lost being sent later; without that it never does", async () => {
    for (const error of await errors(true)) expect(error).toBeLessThan(0.1);
    for (const error of await errors(false)) expect(error).toBeGreaterThan(0.9);
  });

  test("all members get the same bits", async () => {
    const sums = await together(members, true, async (group) => {
      const [sum] = await group.allReduce([tf.tensor1d(gradient(group.rank))], "step 0 end");
      return sum!.dataSync();
    });
    for (const sum of sums) expect(sum).toEqual(sums[0]);
  });
});
