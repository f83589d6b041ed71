// How fast rotary positions turn (Su et al.: RoFormer, 2021), and Llama 3.1's and linear scaling to longer sequences. Pure numbers.

/** Rotary positions, as a model's sizes say them. */
export interface Rotary {
  /** Base of the frequencies: the first pair of a head turns a radian a position, the last nearly 1 / theta. */
  readonly theta: number;
  readonly scaling?: RotaryScaling | undefined;
}

/** A way to stretch rotary positions over longer contexts than were trained. */
export type RotaryScaling =
  /** Every position counts as 1 / factor of one (Chen et al. 2023). */
  | { readonly kind: "linear"; readonly factor: number }
  /**
   * Llama 3.1: pairs that turn less than `low` times within `context` positions are slowed by `factor`, those that turn more than
   * `high` times are left, and between the two it is blended.
   */
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly low: number;
      readonly high: number;
      /** Positions that the model was first trained for. */
      readonly context: number;
    };

function scaled(frequency: number, scaling: RotaryScaling | undefined): number {
  if (!scaling) return frequency;
  if (scaling.kind === "linear") return frequency / scaling.factor;
  const { factor, low, high, context } = scaling;
  const turns = (context * frequency) / (2 * Math.PI);
  const keep = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return frequency * (keep + (1 - keep) / factor);
}

/** Radians that each pair of a head turns from one position to the next: `theta^(-2 j / width)`, scaled. */
export const frequenciesOf = (width: number, { theta, scaling }: Rotary): number[] =>
  Array.from({ length: width / 2 }, (_, j) => scaled(theta ** ((-2 * j) / width), scaling));
