// What tensorParallel() decides: which parameters are cut and where, bytes sent, rules of one's own, and what cannot be cut.
import { localShape, plan, sgd } from "@orthant/core";
import { tiny, tinyGpt, tinyLlama, tinySequences } from "@orthant/testing";
import { describe, expect, test } from "vitest";
import { type Rule, tensorParallel } from "../src/index.ts";

const on = (tp: number, rules?: readonly Rule[], model = tinyGpt()) =>
  plan({
    model,
    data: tinySequences(),
    batch: 12,
    optimizer: sgd({ lr: 1 }),
    steps: 1,
    mesh: { tp },
    strategies: [tensorParallel(rules ? { rules } : {})],
  });

describe("a block of a GPT on tp 2", async () => {
  const { specs, mesh, sent } = await on(2);
  const { width, heads, context, layers } = tiny;
  const local = (name: string) => localShape(specs.find((spec) => spec.name === name)!, mesh);

  test("attention is cut by heads, the MLP by hidden units", () => {
    for (const name of ["query", "key", "value"])
      expect(local(`0.attn.${name}`)).toEqual([width, heads / 2, width / heads]);
    expect(local("0.attn.out")).toEqual([heads / 2, width / heads, width]);
    expect([local("0.mlp.up"), local("0.mlp.upBias"), local("0.mlp.down")]).toEqual([
      [width, 2 * width],
      [2 * width],
      [2 * width, width],
    ]);
  });

  test("norms, output biases, embeddings and the head are whole", () => {
    expect(local("0.norm1.gain")).toEqual([width]);
    expect(local("0.add2.bias")).toEqual([width]);
    expect(local("embed.tokens")).toEqual([tiny.vocab, width]);
    expect(local("head.weight")).toEqual([width, tiny.vocab]);
  });

  test("four all-reduces a block: 2 (N-1)/N of the activations each, from every rank", () => {
    const activations = 12 * context * width;
    expect(sent.tp).toBe(4 * layers * 4 * 2 * (1 / 2) * activations * 2);
  });
});

test("heads of a Llama are cut in whole groups, gate and up alike; what does not divide the groups is refused", async () => {
  const { specs, mesh } = await on(2, undefined, tinyLlama());
  const local = (name: string) => localShape(specs.find((spec) => spec.name === name)!, mesh);
  expect(["query", "key", "value", "out"].map((name) => local(`0.attn.${name}`))).toEqual([
    [8, 2, 4],
    [8, 1, 4],
    [8, 1, 4],
    [2, 4, 8],
  ]);
  expect(["gate", "up", "down"].map((name) => local(`0.mlp.${name}`))).toEqual([
    [8, 10],
    [8, 10],
    [10, 8],
  ]);
  expect(local("head.weight")).toEqual([8, 12]);
  await expect(on(4, undefined, tinyLlama())).rejects.toThrow(
    "tp 4 does not divide dim 1 of 0.attn.key [8, 2, 4]: 2 / 4 is not whole; tp 1, 2 would be",
  );
});

test("biases of attention are cut by heads", async () => {
  const { specs, mesh } = await on(2, undefined, tinyGpt({ attentionBias: true }));
  for (const name of ["query", "key", "value"])
    expect(localShape(specs.find((spec) => spec.name === `0.attn.${name}Bias`)!, mesh)).toEqual([1, 4]);
});

test("rules of one's own replace the built-in ones", async () => {
  const { specs } = await on(2, [{ ends: "mlp.up", dim: 1 }]);
  expect(specs.filter(({ split }) => "tp" in split).map(({ name }) => name)).toEqual([
    "0.mlp.up",
    "1.mlp.up",
    "2.mlp.up",
    "3.mlp.up",
  ]);
});

test("a size that does not divide the heads is refused with those that do", async () => {
  await expect(on(4)).rejects.toThrow(
    "tp 4 does not divide dim 1 of 0.attn.query [8, 2, 4]: 2 / 4 is not whole; tp 1, 2 would be",
  );
});
