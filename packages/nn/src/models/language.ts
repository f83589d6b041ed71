// What language models have in common: their type, first values, the check of their sizes, the layers at both ends. Knows no rank.
import type { Everywhere, Init, Layer, LayerParam, Model, Segment } from "@orthant/core";
import type { HuggingFaceForm } from "../huggingface/form.ts";
import { crossEntropy, linearWithoutBias, unembedding } from "../segments/index.ts";

/** A model that continues sequences of tokens. */
export interface LanguageModel extends Model {
  /** Longest sequence. */
  readonly context: number;
  /** Tokens there are. */
  readonly vocab: number;
  /** The same model as Hugging Face's library has it. */
  readonly huggingFace: HuggingFaceForm;
}

export const normal = (std: number): Init => ({ kind: "normal", std });
export const constant = (value: number): Init => ({ kind: "constant", value });
/** GPT-2's deviation of a weight, and Llama's. */
export const STD = 0.02;

/** Throws where a size is no whole number from 1, or the heads cannot be made. `kind` is the function that was called. */
export function checkSizes(kind: string, sizes: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(sizes))
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new Error(`${kind}({ ${name}: ${value} }): it must be a whole number from 1`);
}

/** Throws where a number is not above 0. */
export function checkPositive(kind: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(value > 0 && Number.isFinite(value)))
      throw new Error(`${kind}({ ${name}: ${value} }): it must be a number above 0`);
}

/** Declares the table of tokens; a head of the same model that is tied reads it too. */
export const tokenTable = (vocab: number, width: number, tied: boolean): LayerParam => ({
  name: "tokens",
  shape: [vocab, width],
  init: normal(STD),
  ...(tied && { tie: "tokens" }),
});

/** Sizes of the head, and its norm with that norm's parameters. */
export interface HeadParts {
  readonly vocab: number;
  readonly width: number;
  readonly tied: boolean;
  readonly norm: Segment<Everywhere, Everywhere>;
  readonly normParams: readonly LayerParam[];
}

/** The layer `head`: a norm, then logits, by a weight of its own or by the table of tokens. */
export function headOf({ vocab, width, tied, norm, normParams }: HeadParts): Layer {
  const weight = { name: "weight", shape: [width, vocab], init: normal(STD) };
  const readout = tied ? unembedding : linearWithoutBias;
  return {
    name: "head",
    params: [...normParams, tied ? tokenTable(vocab, width, true) : weight],
    forward: async (tape, x) => tape.local(readout, "head", await tape.local(norm, "head.norm", x)),
  };
}

interface Assembled {
  readonly name: string;
  readonly context: number;
  readonly vocab: number;
  readonly layers: readonly Layer[];
  readonly huggingFace: HuggingFaceForm;
}

/** The model of these layers, minimising the cross-entropy of the next token. */
export const languageModel = (parts: Assembled): LanguageModel => ({
  ...parts,
  indices: { input: parts.vocab, target: parts.vocab },
  loss: (tape, y, target) => tape.local(crossEntropy, "", y, target),
});
