// Auxiliary losses on a tape: their gradients begin at their own sums, whatever else leads there.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Held, useDevice } from "../src/index.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";
import { input, member, squares } from "./tape-cases.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

describe("an auxiliary loss", () => {
  test("adds its gradient, and its sum is told by name", async () => {
    const x = input() as unknown as Held;
    const { tape, free } = member(memory(1)[0]!, {}, x);
    tape.addLoss("side", await tape.local(squares, "", x));
    tape.addLoss("side", await tape.local(squares, "", x));
    const y = await tape.local(squares, "", x);
    tape.seal(y);
    expect([...(await tape.losses())]).toEqual([["side", 2 * 19]]);
    const dx = (await tape.backward(y, tf.scalar(1), x, { seed: 10 }))!;
    expect([...dx.dataSync()]).toEqual([42, 84, 126, -42, 0, 84]);
    tf.dispose([x, dx]);
    free();
  });

  test("may be one tensor twice, or the tape's output", async () => {
    const x = input() as unknown as Held;
    const { tape, free } = member(memory(1)[0]!, {}, x);
    const y = await tape.local(squares, "", x);
    for (const name of ["once", "twice"]) tape.addLoss(name, y);
    tape.seal(y);
    const dx = (await tape.backward(y, tf.scalar(1), x, { seed: 10 }))!;
    expect([...dx.dataSync()]).toEqual([42, 84, 126, -42, 0, 84]);
    tf.dispose([x, dx]);
    free();
  });

  test("is a scalar", () => {
    const { tape, free } = member(memory(1)[0]!);
    const x = input() as unknown as Held;
    expect(() => tape.addLoss("side", x)).toThrow('addLoss("side"): give a scalar, the sum over samples, not [2, 3]');
    x.dispose();
    free();
  });
});
