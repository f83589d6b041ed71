// Evaluation between steps, on the mesh: the loss of one device, not a bit of training changed, nothing more held; what is no data to
// evaluate is refused, and the run goes on.
import { type Data, forward, type Mesh, memory, run, type Strategy, type TrainOptions, train } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, test } from "vitest";
import { useDevice } from "../src/devices/index.ts";
import { small, training, vectors } from "./small.ts";

beforeEach(() => useDevice("cpu"));

/** Other samples than those of training. */
const held: Data = { ...vectors, sample: (i) => vectors.sample(i + 1000, 7) };
const stages = (schedule: "1f1b" | "gpipe") => pipeline({ schedule, micros: 2 });
const meshes: Readonly<Record<string, readonly [Mesh, readonly Strategy[]]>> = {
  "one device": [{}, []],
  "ZeRO-3 over 4": [{ dp: 4 }, [zero({ stage: 3 })]],
  "ZeRO-3, stages gathered for a step": [{ dp: 2 }, [zero({ stage: 3, gather: "step" })]],
  "tp 2 x pp 2 x dp 2": [{ pp: 2, dp: 2, tp: 2 }, [tensorParallel(), stages("1f1b"), zero({ stage: 3 })]],
  "GPipe with ZeRO-1": [{ pp: 2, dp: 2 }, [stages("gpipe"), zero({ stage: 1 })]],
};
const options = (name: string, over: Partial<TrainOptions> = {}): TrainOptions => {
  const [mesh, strategies] = meshes[name]!;
  const { micros: _, ...rest } = training({ mesh, strategies, transport: memory(), batch: 8, ...over });
  return rest;
};

/** Mean square of the error of whole weights, on one device. */
async function lossOf(weights: ReadonlyMap<string, Float32Array>, samples: number): Promise<number> {
  const model = await forward(small(), weights);
  let sum = 0;
  for (let i = 0; i < samples; i++) {
    const { input, target } = await held.sample(i, 0);
    const y = await model({ values: input, shape: [1, input.length], dtype: "float32" });
    for (const [k, value] of y.entries()) sum += (value - target[k]!) ** 2;
  }
  model.dispose();
  return sum / samples;
}

const bitsOf = ({ losses, weights }: Awaited<ReturnType<typeof train>>) => ({
  losses,
  weights: [...weights].map(([name, values]) => [name, [...values]]),
});

describe.each(Object.keys(meshes))("%s", (name) => {
  test("evaluated at every step: the bits of training are those without, no rank holds more, and no tensor stays", async () => {
    const before = tf.memory().numTensors;
    const alone = await train(options(name));
    const session = await run(options(name));
    const seen: number[] = [await session.evaluate(held, 16)];
    for await (const _ of session) seen.push(await session.evaluate(held, 16));
    const driven = await session.close();
    const looked = await train(options(name, { evaluate: { data: held, every: 1, samples: 16 } }));
    for (const other of [driven, looked]) {
      expect(bitsOf(other)).toEqual(bitsOf(alone));
      expect(other.held).toEqual(alone.held);
    }
    expect(looked.evaluations.map(({ loss }) => loss)).toEqual(seen.slice(1));
    expect(driven.evaluations.map(({ step }) => step)).toEqual([-1, 0, 1, 2, 3]);
    expect(tf.memory().numTensors).toBe(before);
    const expected = await lossOf(alone.weights, 16);
    expect(Math.abs(seen.at(-1)! - expected) / expected).toBeLessThan(1e-5);
  });
});

test("what is no data to evaluate is refused in one line, and the run goes on", async () => {
  const session = await run(options("ZeRO-3 over 4"));
  await expect(session.evaluate(held, 12)).rejects.toThrow("12 samples are no whole batches of 8: give 8 or 16");
  const wide = { ...held, input: { shape: [5], dtype: "float32" } as const };
  await expect(session.evaluate(wide, 8)).rejects.toThrow(
    "its data's input is float32 [5], the training's float32 [4]",
  );
  const short = { target: new Float32Array(3) };
  const broken = { ...held, sample: async (i: number) => ({ ...(await held.sample(i, 0)), ...(i === 9 && short) }) };
  await expect(session.evaluate(broken, 16)).rejects.toThrow("the target of sample 9 has 3 values");
  for await (const { step } of session) if (step === 1) break;
  expect((await session.close()).losses.length).toBe(2);
  await expect(session.evaluate(held, 8)).rejects.toThrow("the run is over");
});

test("train tells each step, with its evaluation, and stops where it is told to", async () => {
  const told: (number | undefined)[] = [];
  const onStep = async ({ step, evaluation }: { step: number; evaluation: number | undefined }) => {
    told.push(evaluation);
    return step < 2;
  };
  const evaluate = { data: held, every: 2, samples: 8 };
  const { losses, evaluations } = await train(options("one device", { onStep, evaluate, steps: 10 }));
  expect(losses.length).toBe(3);
  expect(told).toEqual([undefined, evaluations[0]!.loss, undefined]);
});

test("an error of onStep ends the run, and is the one told", async () => {
  const onStep = () => {
    throw new Error("my own");
  };
  await expect(train(options("ZeRO-3 over 4", { onStep }))).rejects.toThrow("my own");
});

test("evaluation that could not be is refused before anything starts", async () => {
  const evaluate = { data: held, every: 0, samples: 8 };
  await expect(train(options("one device", { evaluate }))).rejects.toThrow("evaluate.every is 0");
  await expect(run(options("one device", { evaluate }))).rejects.toThrow("run() has no option evaluate");
});

describe("weights", () => {
  test("of one run start another, on any mesh", async () => {
    const { weights } = await train(options("one device"));
    const session = await run(options("tp 2 x pp 2 x dp 2", { weights }));
    for (const [name, values] of weights)
      expect([...(await session.parameter(name)).values], name).toEqual([...values]);
    await session.close();
  });

  test("that do not fit are refused by name", async () => {
    const start = (weights: never) => train(options("one device", { weights }));
    const none = new Float32Array(3);
    await expect(start(new Map([["in.wait", none]]) as never)).rejects.toThrow(
      /no parameter "in.wait".*nearest: in.weight/,
    );
    await expect(start(new Map([["in.weight", none]]) as never)).rejects.toThrow(
      "in.weight has 3 values, and its shape [4, 4] takes 16",
    );
    await expect(start({} as never)).rejects.toThrow("weights is an object; give a map");
  });
});
