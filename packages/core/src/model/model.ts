// What a model is to this library: a list of layers, each an asynchronous walk over segments and moves. No tensors here.

import type { Init } from "../params/params.ts";
import type { Held, Placement, Transition } from "./placement.ts";
import type { Segment, Shape } from "./segment.ts";

/** What a layer's `forward` is given: it runs segments and moves tensors between placements; nothing else. */
export interface Tape {
  /** Runs a segment. `at` is where its parameters are: `3.attn` for `3.attn.query`. */
  local<In extends Placement, Out extends Placement>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>>;
  /** Changes the placement along a mesh axis; `dim` is the tensor dim that V shards cut. */
  move<T extends Transition>(
    axis: string,
    transition: T,
    x: Held<T extends `${infer From extends Placement}->${string}` ? From : never>,
    dim?: number,
  ): Promise<Held<T extends `${string}->${infer To extends Placement}` ? To : never>>;
  /** `I->R`: free in forward, all-reduces the gradient. */
  enter(axis: string, x: Held<"I">): Promise<Held<"R">>;
  /** `P->I`: all-reduces in forward; free in backward. */
  leave(axis: string, x: Held<"P">): Promise<Held<"I">>;
}

export interface LayerParam {
  /** Relative to the layer: `attn.query`. */
  readonly name: string;
  readonly shape: Shape;
  readonly init: Init;
}

export interface Layer {
  readonly name: string;
  readonly params: readonly LayerParam[];
  /** `x` is the output of the layer before, or the batch's input for the first. */
  forward(tape: Tape, x: Held<"I">): Promise<Held<"I">>;
}

export interface Model {
  readonly name: string;
  readonly layers: readonly Layer[];
  /** The loss as a sum over tokens: a scalar. `y` is the output of the last layer. */
  loss(tape: Tape, y: Held<"I">, target: Held<"I">): Promise<Held<"I">>;
}

/** One side of a sample. */
export interface Field {
  readonly shape: Shape;
  readonly dtype: "float32" | "int32";
}

export type Values = Float32Array | Int32Array;

/** Samples by number: the same number is the same sample on every mesh. */
export interface Data {
  readonly input: Field;
  readonly target: Field;
  /** Terms that one sample adds to the loss: the sum is divided by their number over the global batch. */
  readonly tokens: number;
  /** Pure: `index` counts samples from the start of training, `seed` is the run's. */
  sample(index: number, seed: number): { readonly input: Values; readonly target: Values };
}
