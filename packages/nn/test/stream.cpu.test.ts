// Streams: samples by number, drawn ahead, in passes, anew; functions for the samples of this worker; what is refused, and where.
import type { Data, Sample } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { type Pass, type Sides, stream } from "../src/index.ts";

const read = async (data: Data, index: number, seed = 0): Promise<Sample> => data.sample(index, seed);
const both = ({ input, target }: Sample) => [[...input], [...target]];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
