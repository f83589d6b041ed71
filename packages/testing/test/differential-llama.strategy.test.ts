// Llama on meshes against one device: grouped heads under tensor parallelism, a tied head on two stages, every stage of ZeRO, rotary
// positions recomputed. And GPT-2: the GPT with a tied head and biases of attention.
import type { Model } from "@orthant/core";
import { describe } from "vitest";
import { extras, grid, type MeshCase, showCase, tinyGpt, tinyLlama, underSgd } from "../src/index.ts";
import { differentialTests } from "./differential.ts";

const named = (...names: string[]): MeshCase[] =>
  [...grid, ...extras].filter((at) => names.includes(showCase(at).replaceAll("  ", " ")));
const most = named("pp 2 dp 2 tp 2 1f1b zero 3", "pp 2 dp 2 tp 2 1f1b zero 2", "pp 4 dp 1 tp 2 gpipe zero 0");
const each = named("pp 1 dp 3 tp 1 1f1b zero 3", "pp 1 dp 2 tp 2 1f1b zero 1", "pp 2 dp 1 tp 2 1f1b zero 0 recompute");

/** The softmax does not see a key bias: its gradient is rounding, and nothing to compare. */
const withoutKeyBias = (model: Model): Model => ({
  ...model,
  layers: model.layers.map((layer) => ({
    ...layer,
    params: layer.params.map((param) => (param.name.endsWith("keyBias") ? { ...param, frozen: true } : param)),
  })),
});

const short = { ...underSgd(), steps: 6 };
describe("llama", () => differentialTests({ ...short, model: tinyLlama(), cases: [...most, ...each] }));
describe("llama, tied", () =>
  differentialTests({ ...short, model: tinyLlama({ tied: true }), cases: most.slice(0, 2) }));
describe("gpt-2", () => {
  const model = withoutKeyBias(tinyGpt({ tied: true, attentionBias: true }));
  differentialTests({ ...short, model, cases: most.slice(0, 2) });
});
