// Parameters read between steps: whole, in their logical shape, the values that training alone has then, whatever cuts them and
// wherever they rest. The model has a tied parameter, on two stages of a pipeline, and a frozen one.
import {
  type LayerParam,
  type Mesh,
  memory,
  run,
  type Session,
  sgd,
  type TrainOptions,
  type TrainResult,
  train,
} from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tinyGpt, tinySequences } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const changes: Readonly<Record<string, Partial<LayerParam>>> = {
  "0.mlp.up": { tie: "up" },
  "1.mlp.up": { tie: "up" },
  "0.mlp.down": { frozen: true },
};
const gpt = tinyGpt({ layers: 2 });
const model = {
  ...gpt,
  layers: gpt.layers.map((layer) => ({
    ...layer,
    params: layer.params.map((param) => ({ ...param, ...changes[`${layer.name}.${param.name}`] })),
  })),
};
const shapes: ReadonlyMap<string, readonly number[]> = new Map(
  model.layers.flatMap((l) => l.params.map((p) => [`${l.name}.${p.name}`, p.shape] as const)),
);

const job = (mesh: Mesh, options: ZeroOptions, steps = 2): TrainOptions => ({
  model,
  data: tinySequences(),
  batch: 12,
  mesh,
  strategies: [
    ...("tp" in mesh ? [tensorParallel()] : []),
    ...("pp" in mesh ? [pipeline({ schedule: "1f1b", micros: 2 })] : []),
    zero(options),
  ],
  optimizer: sgd({ lr: 0.03, momentum: 0.9 }),
  steps,
  transport: memory(),
  run: false,
  quiet: true,
  collect: true,
});

/** What training alone comes to on a mesh: the same bits in every stage. Filled by the first test that asks. */
const alone = new Map<string, Promise<TrainResult>>();
function trained(mesh: Mesh, steps: number): Promise<TrainResult> {
  const key = JSON.stringify([mesh, steps]);
  if (!alone.has(key)) alone.set(key, train(job(mesh, { stage: 0 }, steps)));
  return alone.get(key)!;
}

async function all(session: Session): Promise<Map<string, Float32Array>> {
  const read = async (name: string): Promise<[string, Float32Array]> => {
    const { shape, values } = await session.parameter(name);
    expect([name, ...shape]).toEqual([name, ...shapes.get(name)!]);
    return [name, values];
  };
  return new Map(await Promise.all([...shapes.keys()].map(read)));
}

const meshes: readonly Mesh[] = [{ dp: 1 }, { dp: 3 }, { dp: 2, tp: 2 }, { pp: 2, dp: 2 }];
const options: readonly ZeroOptions[] = [
  ...([0, 1, 2, 3] as const).map((stage) => ({ stage })),
  { stage: 3, gather: "micro", persist: 9, prefetch: 2, bucketBytes: 600 },
  { stage: 3, gather: "step" },
  { stage: 2, offload: { optimizer: "host" }, bucketBytes: 600 },
  { stage: 3, offload: { optimizer: "disk", params: "disk" }, bucketBytes: 600 },
];
const cases = meshes.flatMap((mesh) => options.map((option) => ({ mesh, option })));

test.each(cases)("$mesh $option: every parameter, before the first step and after each", async ({ mesh, option }) => {
  await trained(mesh, 2);
  const before = tf.memory().numTensors;
  const session = await run(job(mesh, option));
  const first = await all(session);
  const losses: number[] = [];
  for await (const { loss, step } of session) {
    losses.push(loss);
    const { weights } = await trained(mesh, step + 1);
    for (const [name, values] of await all(session))
      expect([name, ...values]).toEqual([name, ...weights.get(name === "1.mlp.up" ? "0.mlp.up" : name)!]);
  }
  const last = await all(session);
  const { losses: told, weights } = await session.close();
  expect([losses, told]).toEqual([told, (await trained(mesh, 2)).losses]);
  for (const [name, values] of weights) expect(last.get(name)).toEqual(values);
  expect(last.get("0.mlp.down")).toEqual(first.get("0.mlp.down")); // frozen
  expect(last.get("1.mlp.up")).toEqual(last.get("0.mlp.up")); // tied
  expect(tf.memory().numTensors).toBe(before);
});

describe("a session", () => {
  test("that its loop leaves has done the steps that were asked for", async () => {
    const session = await run(job({ dp: 2 }, { stage: 3 }));
    for await (const { step } of session) if (step === 0) break;
    expect((await session.close()).losses).toEqual((await trained({ dp: 2 }, 1)).losses);
    await expect(session.parameter("0.mlp.up")).rejects.toThrow("the run is over; close() resolves to its weights");
  });

  test("names the nearest parameters where one is not there, and goes on", async () => {
    const session = await run(job({ dp: 2 }, { stage: 3 }, 1));
    await expect(session.parameter("0.attn.qury")).rejects.toThrow(
      /the model has no parameter "0.attn.qury"; of its \d+, these are nearest: 0.attn.query, /,
    );
    for await (const { step } of session) expect(step).toBe(0);
    expect((await session.close()).losses).toHaveLength(1);
  });

  test("tells the error of a rank to who waits, and to close", async () => {
    const data = {
      ...tinySequences(),
      sample: () => {
        throw new Error("no sample");
      },
    };
    const session = await run({ ...job({ dp: 2 }, { stage: 3 }), data });
    await expect(session[Symbol.asyncIterator]().next()).rejects.toThrow(/rank \d .* failed at step 0/);
    await expect(session.parameter("0.mlp.up")).rejects.toThrow(/failed at step 0/);
    await expect(session.close()).rejects.toThrow(/failed at step 0/);
  });
});
