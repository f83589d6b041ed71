// A model and data that are as small as they can be and still use everything: what the suites train.
import { type Data, type Init, type Layer, randomKey, uniformInt } from "@orthant/core";
import { type GptOptions, gpt, type LanguageModel, type LlamaOptions, llama } from "@orthant/nn";

/** Sizes of the model that the suites train. */
export const tiny = { layers: 4, width: 8, heads: 2, context: 6, vocab: 12 } as const;

/** Multiplies the deviation by 10. GPT-2's suits wide models: at this width it leaves query and key gradients that are mostly rounding. */
const scaled = (init: Init): Init => (init.kind === "normal" ? { ...init, std: 10 * init.std } : init);

const louder = (layer: Layer): Layer => ({
  ...layer,
  params: layer.params.map((p) => ({ ...p, init: scaled(p.init) })),
});

const loud = (model: LanguageModel): LanguageModel => ({ ...model, layers: model.layers.map(louder) });

/** GPT of `tiny` sizes; `over` replaces single options. First values are large enough for every gradient to matter. */
export const tinyGpt = (over: Partial<GptOptions> = {}): LanguageModel => loud(gpt({ ...tiny, ...over }));

/** Llama of `tiny` sizes but for its heads: 4, in 2 groups; `over` replaces single options. First values are as large as those of `tinyGpt`. */
export const tinyLlama = (over: Partial<LlamaOptions> = {}): LanguageModel =>
  loud(llama({ ...tiny, heads: 4, groups: 2, headWidth: 4, hidden: 20, theta: 50, ...over }));

/** Sequences with something to learn: every other token follows from the one before, the rest are random. */
export function tinySequences({ context, vocab }: { readonly context: number; readonly vocab: number } = tiny): Data {
  const field = { shape: [context], dtype: "int32" } as const;
  return {
    input: field,
    target: field,
    tokens: context,
    sample(index, seed) {
      const key = randomKey(seed, "sequences");
      const tokens = new Int32Array(context + 1);
      for (let t = 0; t <= context; t++)
        tokens[t] = t % 2 ? (5 * tokens[t - 1]! + 1) % vocab : uniformInt(key, index * (context + 1) + t, vocab);
      return { input: tokens.slice(0, context), target: tokens.slice(1) };
    },
  };
}
