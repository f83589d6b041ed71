// Sizes of the language models, as their users give them.
import type { RotaryScaling } from "../segments/rotary.ts";

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
  readonly hidden?: number | undefined;
  /** The head reads the table of tokens, as GPT-2's does; it has a weight of its own by default. */
  readonly tied?: boolean;
  /** Queries, keys and values have biases, as GPT-2's do; none by default. */
  readonly attentionBias?: boolean;
  /** Added to the variance in layer norms; 1e-5 by default. */
  readonly epsilon?: number;
  /** The mesh axis over which heads and hidden units may be cut, in the user's word; "tp" by default. */
  readonly axis?: string;
}

/** Options of `llama()`. */
export interface LlamaOptions {
  /** Transformer blocks. */
  readonly layers: number;
  /** Model width. */
  readonly width: number;
  /** Query heads. */
  readonly heads: number;
  /** Heads of keys and values, each read by heads / kvHeads query heads; a divisor of `heads`, which is the default. */
  readonly kvHeads?: number;
  /** Width of one head, even; width / heads by default. */
  readonly headWidth?: number;
  /** Hidden width of the perceptron; two thirds of 4 x width, rounded up to a multiple of 8, by default. */
  readonly hidden?: number;
  /** Longest sequence. Positions have no parameters: nothing but what the model was trained for ends at it. */
  readonly context: number;
  /** Tokens there are; 256 for bytes. */
  readonly vocab: number;
  /** The head reads the table of tokens; it has a weight of its own by default. */
  readonly tied?: boolean;
  /** Added to the mean square in RMS norms; 1e-5 by default. */
  readonly epsilon?: number;
  /** Base of the rotary frequencies; 10,000 by default. */
  readonly theta?: number;
  /** Rotary positions scaled to longer sequences than the model was first trained for; none by default. */
  readonly scaling?: RotaryScaling | undefined;
  /** The mesh axis over which heads and hidden units may be cut, in the user's word; "tp" by default. */
  readonly axis?: string;
}

/** The options with all that is left out filled in, but for `scaling`. */
export type LlamaSizes = Required<Omit<LlamaOptions, "scaling">> & Pick<LlamaOptions, "scaling">;
