// GPT-2 in Hugging Face's words (transformers, GPT2LMHeadModel): Conv1D weights lie `[in, out]` as ours do, queries, keys and values
// are packed in one.
import type { GptOptions } from "../models/options.ts";
import type { Config } from "./config.ts";
import { type HuggingFaceForm, linearWeight, type NamedForm, named } from "./form.ts";

const projections = ["query", "key", "value"];

function blockTensors(i: number, { width, hidden = 4 * width, attentionBias }: GptOptions): NamedForm[] {
  const at = (name: string) => `transformer.h.${i}.${name}`;
  const biases = attentionBias ? projections.map((name) => `${i}.attn.${name}Bias`) : [];
  return [
    named(at("ln_1.weight"), [width], `${i}.norm1.gain`),
    named(at("ln_1.bias"), [width], `${i}.norm1.bias`),
    named(at("attn.c_attn.weight"), [width, 3 * width], ...projections.map((name) => `${i}.attn.${name}`)),
    named(at("attn.c_attn.bias"), [3 * width], ...biases),
    named(at("attn.c_proj.weight"), [width, width], `${i}.attn.out`),
    named(at("attn.c_proj.bias"), [width], `${i}.add1.bias`),
    named(at("ln_2.weight"), [width], `${i}.norm2.gain`),
    named(at("ln_2.bias"), [width], `${i}.norm2.bias`),
    named(at("mlp.c_fc.weight"), [width, hidden], `${i}.mlp.up`),
    named(at("mlp.c_fc.bias"), [hidden], `${i}.mlp.upBias`),
    named(at("mlp.c_proj.weight"), [hidden, width], `${i}.mlp.down`),
    named(at("mlp.c_proj.bias"), [width], `${i}.add2.bias`),
  ];
}

const configOf = (options: GptOptions) => ({
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  activation_function: "gelu_new",
  n_embd: options.width,
  n_head: options.heads,
  n_inner: options.hidden ?? null,
  n_layer: options.layers,
  n_positions: options.context,
  vocab_size: options.vocab,
  layer_norm_epsilon: options.epsilon ?? 1e-5,
  tie_word_embeddings: options.tied ?? false,
  attn_pdrop: 0,
  embd_pdrop: 0,
  resid_pdrop: 0,
  bos_token_id: null,
  eos_token_id: null,
  torch_dtype: "float32",
});

/** A GPT of these sizes as transformers has it. */
export function gptForm(options: GptOptions): HuggingFaceForm {
  const { layers, width, context, vocab, tied } = options;
  return {
    config: configOf(options),
    tensors: [
      named("transformer.wte.weight", [vocab, width], "embed.tokens"),
      named("transformer.wpe.weight", [context, width], "embed.positions"),
      ...Array.from({ length: layers }, (_, i) => blockTensors(i, options)).flat(),
      named("transformer.ln_f.weight", [width], "head.norm.gain"),
      named("transformer.ln_f.bias", [width], "head.norm.bias"),
      ...(tied ? [] : [linearWeight("lm_head.weight", width, vocab, "head.weight")]),
    ],
    prefix: "transformer.",
    beside: tied ? /(^|\.)attn\.(masked_)?bias$|^lm_head\.weight$/ : /(^|\.)attn\.(masked_)?bias$/,
  };
}

/** Options of `gpt` from a config.json. Throws where it is of a GPT-2 that `gpt` is not. */
export function gptOptions(config: Config): GptOptions {
  config.only("activation_function", ["gelu_new", "gelu_pytorch_tanh"]);
  config.only("scale_attn_weights", [true]);
  config.only("scale_attn_by_inverse_layer_idx", [false]);
  config.only("add_cross_attention", [false]);
  const width = config.count("n_embd");
  return {
    layers: config.count("n_layer"),
    width,
    heads: config.count("n_head"),
    context: config.count("n_positions"),
    vocab: config.count("vocab_size"),
    hidden: config.count("n_inner", 4 * width),
    tied: config.flag("tie_word_embeddings", true),
    attentionBias: true,
    epsilon: config.number("layer_norm_epsilon", 1e-5),
  };
}
