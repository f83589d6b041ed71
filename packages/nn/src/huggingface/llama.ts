// Llama in Hugging Face's words (transformers, LlamaForCausalLM): nn.Linear weights, transposed to ours; rotary positions turn the
// first half of a head with the second, as here.
import type { LlamaOptions, LlamaSizes } from "../models/options.ts";
import type { RotaryScaling } from "../segments/rotary.ts";
import type { Config } from "./config.ts";
import { type HuggingFaceForm, linearWeight, type NamedForm, named } from "./form.ts";

function blockTensors(i: number, { width, heads, groups, headWidth, hidden }: LlamaSizes): NamedForm[] {
  const at = (name: string) => `model.layers.${i}.${name}.weight`;
  const [all, shared] = [heads * headWidth, groups * headWidth];
  return [
    named(at("input_layernorm"), [width], `${i}.norm1.gain`),
    linearWeight(at("self_attn.q_proj"), width, all, `${i}.attn.query`),
    linearWeight(at("self_attn.k_proj"), width, shared, `${i}.attn.key`),
    linearWeight(at("self_attn.v_proj"), width, shared, `${i}.attn.value`),
    linearWeight(at("self_attn.o_proj"), all, width, `${i}.attn.out`),
    named(at("post_attention_layernorm"), [width], `${i}.norm2.gain`),
    linearWeight(at("mlp.gate_proj"), width, hidden, `${i}.mlp.gate`),
    linearWeight(at("mlp.up_proj"), width, hidden, `${i}.mlp.up`),
    linearWeight(at("mlp.down_proj"), hidden, width, `${i}.mlp.down`),
  ];
}

function scalingFields(scaling: RotaryScaling): Record<string, unknown> {
  if (scaling.kind === "linear") return { rope_type: "linear", factor: scaling.factor };
  const { factor, low, high, context } = scaling;
  const turns = { low_freq_factor: low, high_freq_factor: high };
  return { rope_type: "llama3", factor, ...turns, original_max_position_embeddings: context };
}

const configOf = (sizes: LlamaSizes) => ({
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_act: "silu",
  hidden_size: sizes.width,
  intermediate_size: sizes.hidden,
  num_hidden_layers: sizes.layers,
  num_attention_heads: sizes.heads,
  num_key_value_heads: sizes.groups,
  head_dim: sizes.headWidth,
  max_position_embeddings: sizes.context,
  vocab_size: sizes.vocab,
  rms_norm_eps: sizes.epsilon,
  rope_theta: sizes.theta,
  rope_scaling: sizes.scaling ? scalingFields(sizes.scaling) : null,
  tie_word_embeddings: sizes.tied,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: null,
  eos_token_id: null,
  torch_dtype: "float32",
});

/** A Llama of these sizes as transformers has it. */
export function llamaForm(sizes: LlamaSizes): HuggingFaceForm {
  const { layers, width, vocab, tied } = sizes;
  return {
    config: configOf(sizes),
    tensors: [
      named("model.embed_tokens.weight", [vocab, width], "embed.tokens"),
      ...Array.from({ length: layers }, (_, i) => blockTensors(i, sizes)).flat(),
      named("model.norm.weight", [width], "head.norm.gain"),
      ...(tied ? [] : [linearWeight("lm_head.weight", width, vocab, "head.weight")]),
    ],
    prefix: "model.",
    beside: tied ? /\.rotary_emb\.inv_freq$|^lm_head\.weight$/ : /\.rotary_emb\.inv_freq$/,
  };
}

/** The kind of scaling is `rope_type`, once `type`. */
function scalingOf(fields: Config | undefined): RotaryScaling | undefined {
  const word = fields?.field("rope_type") === undefined ? "type" : "rope_type";
  const kind = fields?.field(word) ?? "default";
  if (!fields || kind === "default") return undefined;
  if (kind === "linear") return { kind, factor: fields.number("factor") };
  if (kind !== "llama3") throw fields.wrong(word, 'known are "default", "linear" and "llama3"');
  return {
    kind,
    factor: fields.number("factor"),
    low: fields.number("low_freq_factor"),
    high: fields.number("high_freq_factor"),
    context: fields.count("original_max_position_embeddings"),
  };
}

/** Options of `llama` from a config.json: of version 5 of transformers, which has `rope_parameters`, or before. Throws where it is of a Llama that `llama` is not. */
export function llamaOptions(config: Config): LlamaOptions {
  config.only("hidden_act", ["silu"]);
  config.only("attention_bias", [false]);
  config.only("mlp_bias", [false]);
  const [width, heads] = [config.count("hidden_size"), config.count("num_attention_heads")];
  const rope = config.within("rope_parameters");
  rope?.only("partial_rotary_factor", [1]);
  const scaling = scalingOf(rope ?? config.within("rope_scaling"));
  return {
    layers: config.count("num_hidden_layers"),
    width,
    heads,
    groups: config.count("num_key_value_heads", heads),
    headWidth: config.count("head_dim", width / heads),
    hidden: config.count("intermediate_size"),
    context: config.count("max_position_embeddings"),
    vocab: config.count("vocab_size"),
    tied: config.flag("tie_word_embeddings", false),
    epsilon: config.number("rms_norm_eps", 1e-6),
    theta: rope?.number("rope_theta") ?? config.number("rope_theta", 10_000),
    ...(scaling && { scaling }),
  };
}
