// A GPT (Radford et al.: Language models are unsupervised multitask learners, 2019): pre-norm blocks of causal attention and a gelu
// MLP, learned positions. With `tied` and `attentionBias` it is GPT-2. Knows no rank and no wire.
import { type Held, type Layer, type LayerParam, onAxis, type Tape } from "@orthant/core";
import { gptForm } from "../huggingface/gpt.ts";
import { attention, attentionWithoutBias, embedding, layerNormWith, mlp, residual } from "../segments/index.ts";
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
import type { GptOptions } from "./options.ts";

const norm = (name: string, width: number): LayerParam[] => [
  { name: `${name}.gain`, shape: [width], init: constant(1) },
  { name: `${name}.bias`, shape: [width], init: constant(0) },
];

const projections = ["query", "key", "value"];

function blockParams({ layers, width, heads, hidden = 4 * width, attentionBias }: GptOptions): LayerParam[] {
  const inner = [heads, width / heads];
  const out = normal(STD / Math.sqrt(2 * layers));
  const biases = attentionBias ? projections.map((name) => `attn.${name}Bias`) : [];
  return [
    ...norm("norm1", width),
    ...projections.map((name) => ({ name: `attn.${name}`, shape: [width, ...inner], init: normal(STD) })),
    { name: "attn.out", shape: [...inner, width], init: out },
    ...biases.map((name) => ({ name, shape: inner, init: constant(0) })),
    { name: "add1.bias", shape: [width], init: constant(0) },
    ...norm("norm2", width),
    { name: "mlp.up", shape: [width, hidden], init: normal(STD) },
    { name: "mlp.upBias", shape: [hidden], init: constant(0) },
    { name: "mlp.down", shape: [hidden, width], init: out },
    { name: "add2.bias", shape: [width], init: constant(0) },
  ];
}

function block(name: string, options: GptOptions): Layer {
  const tp = (options.axis ?? "tp") as "tp"; // the compiler keeps the segments' own word
  const [mix, feed] = [onAxis(options.attentionBias ? attention : attentionWithoutBias, tp), onAxis(mlp, tp)];
  const norm = layerNormWith(options.epsilon ?? 1e-5);
  return {
    name,
    params: blockParams(options),
    async forward(tape: Tape, x: Held) {
      const normed1 = await tape.enter(tp, await tape.local(norm, `${name}.norm1`, x));
      const mixed = await tape.leave(tp, await tape.local(mix, `${name}.attn`, normed1));
      const h = await tape.local(residual, `${name}.add1`, x, mixed);
      const normed2 = await tape.enter(tp, await tape.local(norm, `${name}.norm2`, h));
      const fed = await tape.leave(tp, await tape.local(feed, `${name}.mlp`, normed2));
      return tape.local(residual, `${name}.add2`, h, fed);
    },
  };
}

const embed = ({ width, context, vocab, tied = false }: GptOptions): Layer => ({
  name: "embed",
  params: [tokenTable(vocab, width, tied), { name: "positions", shape: [context, width], init: normal(STD) }],
  forward: (tape, x) => tape.local(embedding, "embed", x),
});

/**
 * Byte or token sequences `[B, T]` (int32) to logits `[B, T, vocab]`. Layers: `embed`, one a block named `0`, `1` ..,
 * `head`. Throws where `heads` does not divide `width`.
 */
export function gpt(options: GptOptions): LanguageModel {
  const { layers, width, heads, context, vocab, hidden, tied = false, epsilon = 1e-5 } = options;
  checkSizes("gpt", { layers, width, heads, context, vocab, hidden });
  checkPositive("gpt", { epsilon });
  if (width % heads !== 0)
    throw new Error(`gpt: ${heads} heads do not divide width ${width}: ${width} / ${heads} is not whole`);
  const blocks = Array.from({ length: layers }, (_, i) => block(`${i}`, options));
  const head = headOf({ vocab, width, tied, norm: layerNormWith(epsilon), normParams: norm("norm", width) });
  return languageModel({
    name: "gpt",
    context,
    vocab,
    layers: [embed(options), ...blocks, head],
    huggingFace: gptForm(options),
  });
}
