// A Llama (Touvron et al.: LLaMA, 2023; Llama 3, 2024): pre-norm blocks of RMS norm, causal attention of grouped heads with rotary
// positions, and a perceptron gated by silu; no biases. Knows no rank and no wire.
import { type Held, type Layer, type LayerParam, onAxis, type Tape } from "@orthant/core";
import { llamaForm } from "../huggingface/llama.ts";
import { add, groupedAttention, type RotaryScaling, rmsNormWith, swiglu, tokenEmbedding } from "../segments/index.ts";
import {
  checkPositive,
  checkSizes,
  constant,
  headOf,
  type LanguageModel,
  languageModel,
  normal,
  STD,
  tokenTable,
} from "./language.ts";
import type { LlamaOptions, LlamaSizes } from "./options.ts";

const norm = (name: string, width: number): LayerParam => ({
  name: `${name}.gain`,
  shape: [width],
  init: constant(1),
});

function blockParams({ layers, width, heads, groups, headWidth, hidden }: LlamaSizes): LayerParam[] {
  const out = normal(STD / Math.sqrt(2 * layers));
  const weight = (name: string, ...shape: number[]): LayerParam => ({ name, shape, init: normal(STD) });
  return [
    norm("norm1", width),
    weight("attn.query", width, heads, headWidth),
    weight("attn.key", width, groups, headWidth),
    weight("attn.value", width, groups, headWidth),
    { name: "attn.out", shape: [heads, headWidth, width], init: out },
    norm("norm2", width),
    weight("mlp.gate", width, hidden),
    weight("mlp.up", width, hidden),
    { name: "mlp.down", shape: [hidden, width], init: out },
  ];
}

function block(name: string, sizes: LlamaSizes): Layer {
  const tp = sizes.axis as "tp"; // the compiler keeps the segments' own word
  const [mix, feed] = [onAxis(groupedAttention(sizes), tp), onAxis(swiglu, tp)];
  const norm = rmsNormWith(sizes.epsilon);
  return {
    name,
    params: blockParams(sizes),
    async forward(tape: Tape, x: Held) {
      const normed1 = await tape.enter(tp, await tape.local(norm, `${name}.norm1`, x));
      const mixed = await tape.leave(tp, await tape.local(mix, `${name}.attn`, normed1));
      const h = await tape.local(add, `${name}.add1`, x, mixed);
      const normed2 = await tape.enter(tp, await tape.local(norm, `${name}.norm2`, h));
      const fed = await tape.leave(tp, await tape.local(feed, `${name}.mlp`, normed2));
      return tape.local(add, `${name}.add2`, h, fed);
    },
  };
}

function sizesOf(options: LlamaOptions): LlamaSizes {
  const { width, heads } = options;
  const sizes = {
    groups: heads,
    headWidth: width / heads,
    hidden: 8 * Math.ceil(width / 3),
    tied: false,
    epsilon: 1e-5,
    theta: 10_000,
    axis: "tp",
    ...options,
  };
  const { layers, groups, headWidth, hidden, context, vocab, epsilon, theta } = sizes;
  checkSizes("llama", { layers, width, heads, context, vocab, groups, hidden });
  checkPositive("llama", { epsilon, theta, ...numbersOf(sizes.scaling) });
  if (heads % groups !== 0)
    throw new Error(`llama: ${groups} groups do not divide ${heads} heads: ${heads} / ${groups} is not whole`);
  if (!Number.isInteger(headWidth) || headWidth < 2 || headWidth % 2)
    throw new Error(
      `llama: a head is ${headWidth} wide${options.headWidth ? "" : ` (width ${width} / ${heads} heads)`}, and rotary positions turn ` +
        `pairs: make it even`,
    );
  return sizes;
}

const numbersOf = (scaling: RotaryScaling | undefined): Record<string, number> =>
  Object.fromEntries(Object.entries(scaling ?? {}).filter(([name]) => name !== "kind")) as Record<string, number>;

/**
 * Byte or token sequences `[B, T]` (int32) to logits `[B, T, vocab]`. Layers: `embed`, one a block named `0`, `1` .., `head`. Throws
 * where `groups` does not divide `heads`, and where a head's width is odd.
 */
export function llama(options: LlamaOptions): LanguageModel {
  const sizes = sizesOf(options);
  const { layers, width, context, vocab, tied, epsilon } = sizes;
  const embed: Layer = {
    name: "embed",
    params: [tokenTable(vocab, width, tied)],
    forward: (tape, x) => tape.local(tokenEmbedding, "embed", x),
  };
  const blocks = Array.from({ length: layers }, (_, i) => block(`${i}`, sizes));
  const head = headOf({ vocab, width, tied, norm: rmsNormWith(epsilon), normParams: [norm("norm", width)] });
  return languageModel({
    name: "llama",
    context,
    vocab,
    layers: [embed, ...blocks, head],
    huggingFace: llamaForm(sizes),
  });
}
