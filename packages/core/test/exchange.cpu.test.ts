// Weights out and in: one file of whole tensors from any layout, read here by the format's description alone, and a run that
// starts from such a file.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zero } from "@orthant/zero";
import { afterEach, beforeEach, expect, test } from "vitest";
import { floatTypes, toFloats } from "../src/checkpoint/floats.ts";
import { encodeHeader } from "../src/checkpoint/safetensors.ts";
import { adamw, exportCheckpoint, importWeights, memory, type TrainOptions, train, useDevice } from "../src/index.ts";
import { training } from "./small.ts";

let dir: string;
beforeEach(async () => {
  await useDevice("cpu");
  dir = mkdtempSync(join(tmpdir(), "orthant-exchange-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const saved = (over: Partial<TrainOptions> = {}) =>
  train(training({ transport: memory(), checkpoint: { every: 4, dir: join(dir, "run") }, ...over }));

/** Reads a file as the format describes it: 8 bytes of length, JSON, bytes. Shares no code with the library. */
function independent(path: string): Map<string, { shape: number[]; values: number[] }> {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const fields = Object.entries<{ shape: number[]; data_offsets: [number, number] }>(
    JSON.parse(bytes.toString("utf8", 8, 8 + length)),
  ).filter(([name]) => name !== "__metadata__");
  return new Map(
    fields.map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const count = (to - from) / 4;
        return [
          name,
          { shape, values: Array.from({ length: count }, (_, i) => bytes.readFloatLE(8 + length + from + 4 * i)) },
        ];
      },
    ),
  );
}

test.each([1, 3])("a checkpoint of %i shards becomes one file of whole tensors", async (dp) => {
  const { weights, plan } = await saved({ mesh: { dp }, strategies: [zero({ stage: 3 })], batch: 12, micros: 1 });
  const file = join(dir, "model.safetensors");
  expect(await exportCheckpoint(join(dir, "run"), file)).toBe(weights.size);
  const read = independent(file);
  for (const { name, shape } of plan.specs) expect(read.get(name)).toEqual({ shape, values: [...weights.get(name)!] });
  expect(read.size).toBe(weights.size);
  expect(existsSync(`${file}.partial`)).toBe(false);
});

test("every shard opens by itself", async () => {
  await saved({ mesh: { dp: 2 }, strategies: [zero({ stage: 3 })] });
  const folder = join(dir, "run", "step-000004");
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  expect(files).toHaveLength(4);
  for (const file of files) expect(independent(join(folder, file)).size).toBeGreaterThan(0);
});

test("a run starts from a file of weights, under any optimizer, with steps of its own", async () => {
  const { weights } = await saved();
  const file = join(dir, "model.safetensors");
  await exportCheckpoint(join(dir, "run", "step-000004"), file);
  const folder = join(dir, "imported");
  expect(await importWeights(file, folder)).toBe(weights.size);
  await exportCheckpoint(folder, join(dir, "again.safetensors"));
  expect(readFileSync(join(dir, "again.safetensors")).equals(readFileSync(file))).toBe(true);
  const job = training({ transport: memory(), optimizer: adamw({ lr: 0 }), steps: 1, seed: 3, resume: folder });
  const { firstStep, losses, weights: after } = await train(job);
  expect([firstStep, losses.length]).toEqual([0, 1]);
  for (const [name, values] of weights) expect(after.get(name)!.length).toBe(values.length);
  const biases = [...weights].filter(([name]) => name.endsWith("bias")); // AdamW lets those be, without a rate
  for (const [name, values] of biases) expect(after.get(name)).toEqual(values);
});

test("what is there is not written over", async () => {
  await saved();
  const file = join(dir, "model.safetensors");
  writeFileSync(file, "mine");
  await expect(exportCheckpoint(join(dir, "run"), file)).rejects.toThrow(/is there already/);
  await expect(importWeights(file, join(dir, "run"))).rejects.toThrow(/has checkpoints already/);
  await expect(importWeights(file, join(dir, "new"))).rejects.toThrow(/model.safetensors has 4 bytes/);
  await expect(exportCheckpoint(dir, join(dir, "b"))).rejects.toThrow(/no checkpoint in/);
  expect(readFileSync(file, "utf8")).toBe("mine");
});

test("whole numbers are no parameters", async () => {
  const { bytes } = encodeHeader([{ name: "steps", dtype: "I64", shape: [] }]);
  const file = join(dir, "a.safetensors");
  writeFileSync(file, Buffer.concat([bytes, new Uint8Array(8)]));
  await expect(importWeights(file, join(dir, "new"))).rejects.toThrow(/tensor steps is I64; parameters are F32/);
});

test("every floating-point type is read", () => {
  const view = (array: Uint16Array | Float32Array | Float64Array) => new Uint8Array(array.buffer);
  expect(floatTypes).toEqual(["F32", "F64", "F16", "BF16"]);
  expect([...toFloats("F32", view(Float32Array.of(1.5, -0)))!]).toEqual([1.5, -0]);
  expect([...toFloats("F64", view(Float64Array.of(0.5, -3)))!]).toEqual([0.5, -3]);
  expect([...toFloats("BF16", view(Uint16Array.of(0x3fc0, 0xc000, 0x7f80)))!]).toEqual([
    1.5,
    -2,
    Number.POSITIVE_INFINITY,
  ]);
  const halves = Uint16Array.of(0x3e00, 0xc000, 0x0001, 0x8000, 0x7bff, 0xfc00, 0x7e00);
  expect([...toFloats("F16", view(halves))!]).toEqual([
    1.5,
    -2,
    2 ** -24,
    -0,
    65504,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ]);
});
