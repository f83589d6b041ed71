// A GPT (Radford et al.: Language models are unsupervised multitask learners, 2019): pre-norm blocks of causal
// attention and a gelu MLP, learned positions, an output head of its own. Knows no rank and no wire.
import { type Held, type Init, type Layer, type LayerParam, type Model, onAxis, type Tape } from "@orthant/core";
import {
  attentionWithoutBias,
  crossEntropy,
  embedding,
  layerNorm,
  linearWithoutBias,
  mlp,
  residual,
} from "../segments/index.ts";

/** Options of `gpt()`. */
export interface GptOptions {
  /** Transformer blocks. */
  readonly layers: number;
  /** Model width; a multiple of `heads`. */
  readonly width: number;
  readonly heads: number;
  /** Longest sequence. */
  readonly context: number;
  /** Tokens there are; 256 for bytes. */
  readonly vocab: number;
  /** Hidden width of the MLP; 4 x width by default. */
  readonly hidden?: number;
  /** The mesh axis over which heads and hidden units may be cut, in the user's word; "tp" by default. */
  readonly axis?: string;
}

/** A model that continues sequences of tokens. */
export interface LanguageModel extends Model {
  readonly context: number;
  readonly vocab: number;
}

const normal = (std: number): Init => ({ kind: "normal", std });
const constant = (value: number): Init => ({ kind: "constant", value });
/** GPT-2's deviation of a weight. */
const STD = 0.02;

const norm = (name: string, width: number): LayerParam[] => [
  { name: `${name}.gain`, shape: [width], init: constant(1) },
  { name: `${name}.bias`, shape: [width], init: constant(0) },
];

function blockParams({ layers, width, heads, hidden = 4 * width }: GptOptions): LayerParam[] {
  const inner = [heads, width / heads];
  const out = normal(STD / Math.sqrt(2 * layers));
  const projection = (name: string): LayerParam => ({
    name: `attn.${name}`,
    shape: [width, ...inner],
    init: normal(STD),
  });
  return [
    ...norm("norm1", width),
    ...["query", "key", "value"].map(projection),
    { name: "attn.out", shape: [...inner, width], init: out },
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
  const [mix, feed] = [onAxis(attentionWithoutBias, tp), onAxis(mlp, tp)];
  return {
    name,
    params: blockParams(options),
    async forward(tape: Tape, x: Held) {
      const normed1 = await tape.enter(tp, await tape.local(layerNorm, `${name}.norm1`, x));
      const mixed = await tape.leave(tp, await tape.local(mix, `${name}.attn`, normed1));
      const h = await tape.local(residual, `${name}.add1`, x, mixed);
      const normed2 = await tape.enter(tp, await tape.local(layerNorm, `${name}.norm2`, h));
      const fed = await tape.leave(tp, await tape.local(feed, `${name}.mlp`, normed2));
      return tape.local(residual, `${name}.add2`, h, fed);
    },
  };
}

const embed = ({ width, context, vocab }: GptOptions): Layer => ({
  name: "embed",
  params: [
    { name: "tokens", shape: [vocab, width], init: normal(STD) },
    { name: "positions", shape: [context, width], init: normal(STD) },
  ],
  forward: (tape, x) => tape.local(embedding, "embed", x),
});

const head = ({ width, vocab }: GptOptions): Layer => ({
  name: "head",
  params: [...norm("norm", width), { name: "weight", shape: [width, vocab], init: normal(STD) }],
  forward: async (tape, x) => tape.local(linearWithoutBias, "head", await tape.local(layerNorm, "head.norm", x)),
});

/**
 * Byte or token sequences `[B, T]` (int32) to logits `[B, T, vocab]`. Layers: `embed`, one a block named `0`, `1` ..,
 * `head`. Throws where `heads` does not divide `width`.
 */
export function gpt(options: GptOptions): LanguageModel {
  const { layers, width, heads, context, vocab, axis: _, ...rest } = options;
  for (const [name, value] of Object.entries({ layers, width, heads, context, vocab, ...rest }))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`gpt({ ${name}: ${value} }): it must be a whole number from 1`);
  if (width % heads !== 0)
    throw new Error(`gpt: ${heads} heads do not divide width ${width}: ${width} / ${heads} is not whole`);
  const blocks = Array.from({ length: layers }, (_, i) => block(`${i}`, options));
  return {
    name: "gpt",
    context,
    vocab,
    indices: { input: vocab, target: vocab },
    layers: [embed(options), ...blocks, head(options)],
    loss: (tape, y, target) => tape.local(crossEntropy, "", y, target),
  };
}
