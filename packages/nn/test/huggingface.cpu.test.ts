// Models that transformers saved (fixtures/huggingface, made by huggingface.py): the same logits here, and the same bytes back; then
// what is refused, and how.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Data, forward, memory, sgd, train, useDevice } from "@orthant/core";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromHuggingFace, gpt, llama, toHuggingFace } from "../src/index.ts";

const fixtures = fileURLToPath(new URL("./fixtures/huggingface", import.meta.url));
const { tokens, logits } = JSON.parse(readFileSync(join(fixtures, "logits.json"), "utf8")) as {
  readonly tokens: readonly (readonly number[])[];
  readonly logits: Readonly<Record<string, readonly number[]>>;
};
const names = Object.keys(logits);

let dir: string;
let before = 0;
beforeEach(async () => {
  await useDevice("wasm");
  dir = mkdtempSync(join(tmpdir(), "orthant-huggingface-"));
  before = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  expect(tf.memory().numTensors).toBe(before);
});

/** Logits of the fixture's tokens, by the model in a folder. */
async function logitsOf(folder: string): Promise<Float32Array> {
  const { model, weights } = fromHuggingFace(folder);
  const run = await forward(model, weights());
  const values = Int32Array.from(tokens.flat());
  const found = await run({ values, shape: [tokens.length, tokens[0]!.length], dtype: "int32" });
  run.dispose();
  return found;
}

const farthest = (found: Float32Array, expected: readonly number[]): number =>
  expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);

describe.each(names)("%s", (name) => {
  const folder = join(fixtures, name);

  test("gives the logits that transformers gives", async () => {
    const found = await logitsOf(folder);
    expect(found).toHaveLength(logits[name]!.length);
    expect(farthest(found, logits[name]!)).toBeLessThan(1e-4);
  });

  test("goes back with the bytes that transformers wrote, and a config of the same model", async () => {
    const { model, weights } = fromHuggingFace(folder);
    const count = await toHuggingFace(model, weights(), join(dir, "back"));
    const [found, expected] = [join(dir, "back"), folder].map((at) => readFileSync(join(at, "model.safetensors")));
    expect(found!.equals(expected!)).toBe(true);
    const again = fromHuggingFace(join(dir, "back")).model;
    expect(again.huggingFace).toEqual(model.huggingFace);
    expect(count).toBe(model.huggingFace.tensors.length);
    expect(readdirSync(join(dir, "back"))).toEqual(["config.json", "model.safetensors"]);
  });
});

/** Cross-entropy of predicting each token from itself on, in nats a token, from the fixture's logits. */
function lossOf(values: readonly number[]): number {
  const targets = tokens.flat();
  const vocab = values.length / targets.length;
  const sum = targets.reduce((total, target, i) => {
    const row = values.slice(i * vocab, (i + 1) * vocab);
    return total + Math.log(row.reduce((all, logit) => all + Math.exp(logit), 0)) - row[target]!;
  }, 0);
  return sum / targets.length;
}

const field = { shape: [tokens[0]!.length], dtype: "int32" } as const;
const samples: Data = {
  input: field,
  target: field,
  tokens: tokens[0]!.length,
  sample(index) {
    const input = Int32Array.from(tokens[index % tokens.length]!);
    return { input, target: input };
  },
};

test.each(names)("%s trains from the files' values, however it is cut", async (name) => {
  const job = {
    data: samples,
    batch: 2,
    optimizer: sgd({ lr: 0.05 }),
    steps: 2,
    transport: memory(),
    run: false,
  } as const;
  const { model } = fromHuggingFace(join(fixtures, name));
  const alone = await train({ ...job, model, quiet: true });
  const strategies = [tensorParallel(), zero({ stage: 3 })];
  const cut = await train({ ...job, model, quiet: true, mesh: { dp: 2, tp: 2 }, strategies });
  expect(alone.losses[0]).toBeCloseTo(lossOf(logits[name]!), 4);
  for (const [i, loss] of cut.losses.entries()) expect(loss).toBeCloseTo(alone.losses[i]!, 4);
});

/** A copy of a fixture, its config.json or its tensors' names changed. */
function altered(name: string, config: object, header: (json: string) => string = (json) => json): string {
  const folder = join(dir, name);
  cpSync(join(fixtures, name), folder, { recursive: true });
  const read = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...read, ...config }));
  const file = readFileSync(join(folder, "model.safetensors"));
  const length = Number(file.readBigUInt64LE());
  const json = Buffer.from(header(file.subarray(8, 8 + length).toString()));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(join(folder, "model.safetensors"), Buffer.concat([size, json, file.subarray(8 + length)]));
  return folder;
}

test("names may lack the prefix, as the files of the bare model do", async () => {
  const found = await logitsOf(altered("gpt2", {}, (json) => json.replaceAll("transformer.", "")));
  expect(farthest(found, logits.gpt2!)).toBeLessThan(1e-4);
});

test("rotary positions are read as version 4 of transformers wrote them", () => {
  const scaling = { type: "linear", factor: 2 };
  const folder = altered("llama", { rope_parameters: undefined, rope_theta: 5000, rope_scaling: scaling });
  const { config } = fromHuggingFace(folder).model.huggingFace;
  expect([config.rope_theta, config.rope_scaling]).toEqual([5000, { rope_type: "linear", factor: 2 }]);
});

test("tensors may be in several files, which the index names", async () => {
  const folder = altered("llama", {});
  const part = "model-00001-of-00001.safetensors";
  cpSync(join(folder, "model.safetensors"), join(folder, part));
  rmSync(join(folder, "model.safetensors"));
  const index = join(folder, "model.safetensors.index.json");
  writeFileSync(index, JSON.stringify({ weight_map: { "lm_head.weight": part } }));
  expect(farthest(await logitsOf(folder), logits.llama!)).toBeLessThan(1e-4);
  writeFileSync(index, JSON.stringify({ weight_map: { "lm_head.weight": "../model.safetensors" } }));
  expect(() => fromHuggingFace(folder)).toThrow('names "../model.safetensors", which is no safetensors file of the');
});

test("a gpt without attention biases goes out with zeros, a head of its own with it", async () => {
  const model = gpt({ layers: 1, width: 4, heads: 2, context: 3, vocab: 5 });
  const weights = new Map(
    model.layers.flatMap(({ name, params }) =>
      params.map((param) => {
        const size = param.shape.reduce((n, d) => n * d, 1);
        return [`${name}.${param.name}`, Float32Array.from({ length: size }, (_, i) => Math.sin(i))] as const;
      }),
    ),
  );
  await toHuggingFace(model, weights, join(dir, "out"));
  const back = fromHuggingFace(join(dir, "out"));
  const found = back.weights();
  expect([...found.get("0.attn.keyBias")!]).toEqual([0, 0, 0, 0]);
  for (const [name, values] of weights) expect(found.get(name)).toEqual(values);
  await expect(toHuggingFace(model, weights, join(dir, "out"))).rejects.toThrow(
    "is there already: name another folder",
  );
  await expect(toHuggingFace(model, new Map(), join(dir, "none"))).rejects.toThrow(
    "head.weight needs 20 values; the weights have none",
  );
  expect(readdirSync(join(dir, "none"))).toEqual([]);
});

test.each<[string, object, ((json: string) => string) | undefined, string]>([
  ["gpt2", { model_type: "bert" }, undefined, 'config.json: model_type is "bert": known are gpt2, llama'],
  ["gpt2", { activation_function: "relu" }, undefined, 'the model here is "gelu_new" or "gelu_pytorch_tanh" in this'],
  ["gpt2", { n_layer: "2" }, undefined, 'n_layer is "2": a whole number from 1 was expected'],
  ["gpt2", { n_layer: 3 }, undefined, "has no tensor transformer.h.2.ln_1.weight, which config.json's model has"],
  ["gpt2", { n_layer: 1 }, undefined, "has tensor transformer.h.1.attn.c_attn.bias, and config.json's model none"],
  ["gpt2", { vocab_size: 60 }, undefined, "tensor transformer.wte.weight is [61, 32], and config.json's [60, 32]"],
  ["gpt2", { n_head: 5 }, undefined, "gpt: 5 heads do not divide width 32: 32 / 5 is not whole"],
  ["llama", { attention_bias: true }, undefined, "attention_bias is true: the model here is false in this"],
  ["llama", { rope_parameters: { rope_type: "yarn" } }, undefined, 'known are "default", "linear" and "llama3"'],
  ["llama", { num_key_value_heads: 3 }, undefined, "llama: 3 groups do not divide 4 heads: 4 / 3 is not whole"],
  ["llama", {}, (json) => json.replace('"dtype":"F32"', '"dtype":"I32"'), "is I32; parameters are F32, F64, F16, BF16"],
  ["llama", {}, (json) => json.replace('"F32"', '"F99"'), 'has dtype "F99"'],
])("%s with %j is refused", (name, config, header, message) => {
  expect(() => fromHuggingFace(altered(name, config, header)).weights()).toThrow(message);
});

test("what llama cannot be is refused with the arithmetic", () => {
  const sizes = { layers: 1, width: 12, heads: 4, context: 4, vocab: 8 };
  expect(() => llama(sizes)).toThrow(
    "a head is 3 wide (width 12 / 4 heads), and rotary positions turn pairs: make it even",
  );
  expect(() => llama({ ...sizes, headWidth: 4, groups: 3 })).toThrow(
    "3 groups do not divide 4 heads: 4 / 3 is not whole",
  );
  expect(() => llama({ ...sizes, headWidth: 4, theta: 0 })).toThrow("llama({ theta: 0 }): it must be a number above 0");
  expect(() => llama({ ...sizes, layers: 0 })).toThrow("llama({ layers: 0 }): it must be a whole number from 1");
});
