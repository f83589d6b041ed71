// Runs that stop and go on: the same bits as one that never stopped, and what is refused before any step.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  adamw,
  memory,
  plateau,
  run,
  type Strategy,
  sgd,
  type TrainOptions,
  type TrainResult,
  train,
  useDevice,
} from "../src/index.ts";
import { small, training, vectors } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let dir: string;
let before = 0;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "orthant-resume-"));
  before = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  expect(tf.memory().numTensors).toBe(before);
});

const job = (over: Partial<TrainOptions> = {}): TrainOptions =>
  training({ steps: 12, micros: 2, transport: memory({ stall: 10_000 }), ...over });

const saving = (over: Partial<TrainOptions> = {}): TrainOptions => job({ checkpoint: { every: 2, dir }, ...over });

const bits = ({ losses, weights }: Pick<TrainResult, "losses" | "weights">, from = 0) => ({
  losses: losses.slice(from),
  weights: [...weights].map(([name, values]) => [name, [...values]]),
});

/** Weights that follow the others every so many steps and pull them back (Zhang et al.: Lookahead, 2019): a state of its own. */
const slow = (every: number): Strategy => ({
  name: "slow",
  store(inner) {
    const weights = new Map<string, Float32Array>();
    const valuesOf = async (name: string) => {
      const piece = await inner.piece(name);
      const values = (await piece.data()) as Float32Array;
      piece.dispose();
      return { values: values.slice(), shape: piece.shape };
    };
    return {
      async endStep({ step }) {
        for (const { name } of inner.owned()) {
          const { values, shape } = await valuesOf(name);
          const before = weights.get(name) ?? values;
          if ((step + 1) % every !== 0) weights.set(name, before);
          else {
            const next = values.map((value, i) => 0.5 * (before[i]! + value));
            weights.set(name, next);
            await inner.update(name, tf.tensor(next, shape));
          }
        }
      },
      extra: {
        read: () => weights,
        write(vectors) {
          for (const [name, vector] of vectors) weights.set(name, vector);
        },
      },
    };
  },
});

/** Bytes of every file of a step but the state, which says what mesh wrote it. */
const filesOf = (step: string) =>
  readdirSync(join(dir, step))
    .filter((name) => name.endsWith("safetensors"))
    .sort()
    .map((name) => [name, readFileSync(join(dir, step, name)).toString("hex")]);

describe.each([
  ["sgd with momentum", () => sgd({ lr: 0.05, momentum: 0.9 })],
  ["sgd", () => sgd({ lr: 0.05 })],
  ["adamw", () => adamw({ lr: 0.01 })],
])("under %s", (_, optimizer) => {
  test.each<[string, Partial<TrainOptions>]>([
    ["one rank", {}],
    ["zero 0", { mesh: { dp: 2 }, strategies: [zero({ stage: 0 })] }],
    ["zero 1", { mesh: { dp: 4 }, strategies: [zero({ stage: 1 })] }],
    ["zero 2", { mesh: { dp: 4 }, strategies: [zero({ stage: 2 })] }],
    ["zero 3", { mesh: { dp: 4 }, strategies: [zero({ stage: 3 })] }],
    [
      "zero 3 in host memory",
      { mesh: { dp: 2 }, strategies: [zero({ stage: 3, offload: { params: "host", optimizer: "host" } })] },
    ],
    ["zero 2 with int8 sums", { mesh: { dp: 2 }, strategies: [zero({ stage: 2, wire: { reduce: "int8" } })] }],
    ["zero 0 with int8 both ways", { mesh: { dp: 4 }, strategies: [zero({ stage: 0, wire: "int8" })] }],
    ["slow weights", { mesh: { dp: 2 }, strategies: [slow(4), zero({ stage: 3 })] }],
    ["zero 2 with master weights", { mesh: { dp: 2 }, strategies: [zero({ stage: 2, wire: "bf16" })] }],
    [
      "a pipeline",
      { mesh: { pp: 2, dp: 2 }, strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })] },
    ],
  ])("%s goes on with the same bits, on the disk too", async (_, layout) => {
    const whole = await train(saving({ optimizer: optimizer(), ...layout }));
    const expected = filesOf("step-000012");
    rmSync(dir, { recursive: true });
    await train(saving({ optimizer: optimizer(), ...layout, steps: 6 }));
    const resumed = await train(saving({ optimizer: optimizer(), ...layout, resume: dir }));
    expect(resumed.firstStep).toBe(6);
    expect(bits(resumed)).toEqual(bits(whole, 6));
    expect(filesOf("step-000012")).toEqual(expected);
  });
});

test("what strategies carry stays behind where the mesh is another, and the run goes on", async () => {
  const layout = (dp: number) => ({ mesh: { dp }, strategies: [zero({ stage: 3, wire: { reduce: "int8" } })] });
  await train(saving({ ...layout(2), steps: 6 }));
  expect(readdirSync(join(dir, "step-000006"))).toContain("extra-00002-of-00002.safetensors");
  const { losses } = await train(job({ ...layout(4), resume: dir }));
  expect(losses).toHaveLength(6);
});

test("in the background extra state is that of the step", async () => {
  const layout = { mesh: { dp: 2 }, strategies: [slow(4), zero({ stage: 3, wire: { reduce: "int8" } })] };
  await train(saving({ ...layout, steps: 5, checkpoint: { every: 5, dir } }));
  const expected = filesOf("step-000005");
  rmSync(dir, { recursive: true });
  await train(saving({ ...layout, steps: 9, checkpoint: { every: 1, async: true, dir } }));
  expect(filesOf("step-000005")).toEqual(expected);
});

test("saves every so many steps and at the end, keeps the newest, leaves nothing else", async () => {
  await train(saving({ steps: 7, checkpoint: { every: 2, keep: 2, dir } }));
  expect(readdirSync(dir).sort()).toEqual(["latest", "step-000006", "step-000007"]);
  expect(readFileSync(join(dir, "latest"), "utf8")).toBe("step-000007\n");
});

test("in the background: the same files", async () => {
  const layout = { mesh: { dp: 2 }, strategies: [zero({ stage: 3 })] };
  await train(saving({ ...layout, steps: 4 }));
  const expected = filesOf("step-000004");
  rmSync(dir, { recursive: true });
  await train(saving({ ...layout, steps: 4, checkpoint: { every: 1, keep: 3, async: true, dir } }));
  expect(filesOf("step-000004")).toEqual(expected);
  expect(readdirSync(dir).sort()).toEqual(["latest", "step-000002", "step-000003", "step-000004"]);
});

test("resume: true begins where there is nothing, and goes on where there is", async () => {
  const again = () => train(saving({ steps: 4, resume: true }));
  expect((await again()).firstStep).toBe(0);
  const done = await again();
  expect([done.firstStep, done.losses]).toEqual([4, []]);
  expect(done.weights.size).toBeGreaterThan(0);
  const longer = await train(saving({ steps: 6, resume: true }));
  expect(bits(longer)).toEqual(bits(await train(job({ steps: 6 })), 4));
});

test("a checkpoint by its own path, into another folder", async () => {
  await train(saving({ steps: 6 }));
  const into = join(dir, "other");
  const resumed = await train(saving({ resume: join(dir, "step-000002"), checkpoint: { every: 5, dir: into } }));
  expect([resumed.firstStep, resumed.losses.length]).toEqual([2, 10]);
  expect(readdirSync(into).sort()).toEqual(["latest", "step-000005", "step-000010", "step-000012"]);
});

test("weights stay on their ranks, and in the checkpoint, where nobody asks for them", async () => {
  const layout = { mesh: { dp: 2 }, strategies: [zero({ stage: 3 })], steps: 4 };
  const whole = await train(saving(layout));
  rmSync(dir, { recursive: true });
  const result = await train(saving({ ...layout, collect: false }));
  expect(result.losses).toEqual(whole.losses);
  expect(() => result.weights).toThrow("the parameters stayed on their ranks: collect: true brings them together");
  expect(bits(await train(saving({ ...layout, resume: dir })), 4).weights).toEqual(bits(whole).weights);
});

test("a rate that follows evaluations goes on where it was", async () => {
  const rates: number[] = [];
  const job = (over: Partial<TrainOptions>) =>
    train(
      saving({
        optimizer: adamw({ lr: plateau({ lr: 0.01, factor: 0.5, patience: 1, threshold: 0.9 }) }),
        evaluate: { data: vectors, every: 2, samples: 8 },
        onStep: ({ lr }) => void rates.push(lr),
        ...over,
      }),
    );
  await job({});
  const whole = rates.splice(0);
  expect(new Set(whole.slice(0, 6)).size).toBeGreaterThan(1);
  expect(new Set(whole.slice(6)).size).toBeGreaterThan(1);
  await job({ resume: join(dir, "step-000006"), checkpoint: { every: 5, dir: join(dir, "other") } });
  expect(rates).toEqual(whole.slice(6));
});

test("a session goes on too, and saves where it is closed", async () => {
  const first = await run(saving({ checkpoint: { every: 100, dir } }));
  for await (const { step } of first) if (step === 4) break;
  await first.close();
  const second = await run(saving({ resume: dir }));
  const steps: number[] = [];
  for await (const { step } of second) steps.push(step);
  const { losses, weights } = await second.close();
  expect(steps).toEqual([5, 6, 7, 8, 9, 10, 11]);
  expect(bits({ losses, weights })).toEqual(bits(await train(job()), 5));
});

describe("is refused before any step", () => {
  const refused = (over: Partial<TrainOptions>) => train(saving({ resume: dir, ...over }));

  test.each<[string, () => Partial<TrainOptions>, RegExp]>([
    ["another model", () => ({ model: small(() => ({}), 3) }), /step-000004 is of another model: it has tensor/],
    [
      "a deeper model",
      () => ({ model: small(() => ({}), 5) }),
      /step-000004 is of another model: tensor 4\..* is not in it/,
    ],
    [
      "another optimizer",
      () => ({ optimizer: adamw({ lr: 1 }) }),
      /state of optimizer sgd, 1 tensors .* adamw, with 2/,
    ],
    ["another batch", () => ({ batch: 16 }), /written with batch 8, and this run has batch 16: .* give batch: 8/],
    ["another seed", () => ({ seed: 1 }), /written with seed 0, and this run has seed 1/],
    ["no checkpoint", () => ({ resume: join(dir, "none") }), /resume: there is no checkpoint in .*none/],
    ["a folder in use", () => ({ resume: undefined as never }), /has checkpoints of another run: .* resume:/],
    ["no place", () => ({ checkpoint: { every: 1 } }), /run: false makes no folder for checkpoints/],
    ["no name", () => ({ checkpoint: undefined as never, resume: true }), /resume: true needs to know where/],
    ["every 0", () => ({ checkpoint: { every: 0, dir } }), /checkpoint.every is 0/],
    ["an option that is not", () => ({ checkpoint: { every: 1, evry: 2 } as never }), /checkpoint has no option evry/],
    [
      "islands",
      () => ({
        mesh: { i: 2 },
        strategies: [{ name: "islands", axis: "i", divides: "batch", independent: { every: 2 } }],
      }),
      /members of i train for themselves/,
    ],
  ])("%s", async (_, over, message) => {
    await train(saving({ steps: 4 }));
    const files = readdirSync(dir, { recursive: true }).sort();
    await expect(refused(over())).rejects.toThrow(message);
    expect(readdirSync(dir, { recursive: true }).sort()).toEqual(files);
  });

  test.each<[string, RegExp]>([
    ["model-00001-of-00001.safetensors", /model-00001-of-00001.safetensors is corrupt: tensor out/],
    ["optimizer-00001-of-00001.safetensors", /optimizer-00001-of-00001.safetensors is corrupt: tensor out.*slot.0/],
    ["state.json", /state.json is truncated or no JSON/],
  ])("a flipped bit in %s", async (name, message) => {
    await train(saving({ steps: 4 }));
    const path = join(dir, "step-000004", name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 64;
    writeFileSync(path, bytes);
    await expect(refused({})).rejects.toThrow(message);
  });

  test("a missing shard", async () => {
    await train(saving({ steps: 4 }));
    rmSync(join(dir, "step-000004", "model-00001-of-00001.safetensors"));
    await expect(refused({})).rejects.toThrow(/cannot read .*model-00001-of-00001.safetensors: ENOENT/);
  });
});

test("a shard that cannot be written ends the run on all ranks, by file; what was there stays", async () => {
  const layout = { mesh: { dp: 2 }, strategies: [zero({ stage: 3 })] };
  await train(saving({ ...layout, steps: 2 }));
  const files = filesOf("step-000002");
  const blocked =
    (sample: TrainOptions["data"]["sample"]): TrainOptions["data"]["sample"] =>
    (index, seed) => {
      const partial = join(dir, "step-000004.partial");
      if (index >= 24 && !existsSync(partial)) writeFileSync(partial, ""); // where the folder would be
      return sample(index, seed);
    };
  const { data } = job();
  const again = train(saving({ ...layout, data: { ...data, sample: blocked(data.sample) }, resume: dir }));
  await expect(again).rejects.toThrow(/step-000004.partial/);
  expect(filesOf("step-000002")).toEqual(files);
  expect((await train(saving({ ...layout, steps: 4, resume: dir }))).firstStep).toBe(2);
});
