// Random numbers of layers in whole runs: the same mask for a sample on every mesh, and again when a segment is recomputed.
import { segments } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { zbH1 } from "../../testing/schedules/zb-h1.ts";
import { segment, useDevice } from "../src/index.ts";
import { bits, following, ran, small, vectors } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const half = segments.dropout(0.5);
const dropping = () =>
  following(small(), async (tape, y, layer) =>
    layer === "out" ? y : tape.local(half, "", y, await tape.random(`${layer} drop`).uniform(y)),
  );

test("it drops, anew in each step, and as the seed says", async () => {
  const [plain, dropped] = [await ran(), await ran({ model: dropping() })];
  expect(dropped.losses).not.toEqual(plain.losses);
  const still = { name: "still", slots: 0, lr: () => 0, update: (value: tf.Tensor) => [value.clone()] };
  const data = { ...vectors, sample: (_: number, seed: number) => vectors.sample(0, seed) };
  const { losses } = await ran({ model: dropping(), optimizer: still, data });
  expect(new Set(losses).size).toBe(losses.length);
  expect((await ran({ model: dropping(), seed: 1 })).losses).not.toEqual(dropped.losses);
});

test("recomputation draws the same", async () => {
  expect(bits(await ran({ model: dropping(), recompute: true }))).toEqual(bits(await ran({ model: dropping() })));
});

test.each([2, 3])("pp %i: the bits of one rank, whatever the schedule", async (pp) => {
  const alone = bits(await ran({ model: dropping() }));
  for (const schedule of ["gpipe", "1f1b", zbH1] as const) {
    const strategies = [pipeline({ schedule, micros: 4 })];
    for (const recompute of [false, true])
      expect(bits(await ran({ model: dropping(), mesh: { pp }, strategies, recompute }))).toEqual(alone);
  }
});

test.each([2, 4])("dp %i: the masks of one rank", async (dp) => {
  const alone = await ran({ model: dropping() });
  for (const stage of [0, 3] as const) {
    const { losses } = await ran({ model: dropping(), micros: 1, mesh: { dp }, strategies: [zero({ stage })] });
    for (const [i, loss] of losses.entries()) expect(loss / alone.losses[i]!).toBeCloseTo(1, 5);
  }
});

test("a segment that draws for itself is refused under recompute, with the way out", async () => {
  const own = segment({ name: "own", params: [], run: (_, x) => tf.dropout(x!, 0.5) });
  const model = following(small(), (tape, y) => tape.local(own, "", y));
  await expect(ran({ model, recompute: true })).rejects.toThrow(
    "segment own draws random numbers of its own, and recompute would draw others in backward: draw them with " +
      "tape.random(name) and hand them in as an input, or give the draw a seed",
  );
  before = tf.memory().numTensors; // a rank that fails leaves its activations in flight
});
