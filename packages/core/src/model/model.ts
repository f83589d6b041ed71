// What a model is to this library: a list of layers, each an asynchronous walk over segments and crossings. No tensors here.
import type { Tensor } from "@tensorflow/tfjs";
import type { Init } from "../params/params.ts";
import type { Crossing } from "./crossing.ts";
import type { Everywhere, Held, HeldAlong, Placed, Placement, Placements } from "./placement.ts";
import type { Segment, Shape } from "./segment.ts";

/** Random numbers of one name: the same on every mesh, for every sample, and again when a segment is recomputed. */
export interface Random {
  /**
   * Uniform numbers in [0, 1), float32, in the shape of `x`, whose dim 0 counts samples. `cuts` names the dim of `x` that the
   * members of an axis hold a part of, such as `{ tp: 2 }`; where a strategy divides a dim of every sample, that one
   * is known.
   */
  uniform<P extends Placements>(x: Held<P>, cuts?: Readonly<Record<string, number>>): Promise<Held<P>>;
}

/** What a layer's `forward` is given: it runs segments and moves tensors between placements; nothing else. */
export interface Tape {
  /** Runs a segment. `at` is where its parameters are: `3.attn` for `3.attn.query`. */
  local<In extends Placements, Out extends Placements>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>>;
  /** Changes the placement along one mesh axis. */
  move<Axis extends string, From extends Placement, To extends Placement, P extends Placements>(
    axis: Axis,
    crossing: Crossing<From, To>,
    x: HeldAlong<P, Axis, From>,
  ): Promise<Held<Placed<P, Axis, To>>>;
  /** I -> R along `axis`: free in forward, sums the gradient in backward. */
  enter<Axis extends string, P extends Placements>(
    axis: Axis,
    x: HeldAlong<P, Axis, "I">,
  ): Promise<Held<Placed<P, Axis, "R">>>;
  /** P -> I along `axis`: sums in forward, free in backward. */
  leave<Axis extends string, P extends Placements>(
    axis: Axis,
    x: HeldAlong<P, Axis, "P">,
  ): Promise<Held<Placed<P, Axis, "I">>>;
  /** This rank's position on a mesh axis and the axis's size; 0 of 1 where the mesh does not name it. */
  at(axis: string): { readonly rank: number; readonly size: number };
  /** False where a forward is evaluated or sampled from: then dropout drops nothing, and statistics are those seen in training. */
  readonly training: boolean;
  /** Mesh axes whose members have different samples of one loss: what is summed over a batch is summed along these. */
  readonly batch: readonly string[];
  /** Random numbers that `name`, the seed and the sample tell; give every place of the model a name of its own. */
  random(name: string): Random;
  /** Adds `sum`, a scalar summed over samples, to what is minimised; divided as the loss is, and reported under `name`. */
  addLoss<P extends Placements>(name: string, sum: Held<P>): void;
}

/** Parameter that a layer declares. */
export interface LayerParam {
  /** Relative to the layer: `attn.query`. */
  readonly name: string;
  readonly shape: Shape;
  readonly init: Init;
  /** No gradient, no update, no optimizer state, and no bytes for them. */
  readonly frozen?: boolean;
  /**
   * Not trained, but a moving average of what segments give as its gradient, in place of one: each step it is multiplied by this, and
   * the mean over micros and members, times the rest to 1, is added. Counts in no norm and is not clipped.
   */
  readonly average?: number;
  /** Parameters with the same word are one: one value wherever it is read, on any stage, its gradients summed. */
  readonly tie?: string;
}

/** `P` is the placement of what goes in and out: I along every axis, but where a strategy divides a dim of every sample. */
export interface Layer<P extends Placements = Everywhere> {
  readonly name: string;
  readonly params: readonly LayerParam[];
  /** `x` is the output of the layer before, or the batch's input for the first. */
  forward(tape: Tape, x: Held<P>): Promise<Held<P>>;
}

/** What indices on a side of the samples must be below, where the model takes indices: tokens, classes. */
export interface IndexRange {
  readonly input?: number;
  readonly target?: number;
}

/** Model that can be trained: layers one after the other, and a loss of the last one's output. */
export interface Model<P extends Placements = Everywhere> {
  readonly name: string;
  /** Indices are checked as samples are read: one out of range ends the run with the sample's number. */
  readonly indices?: IndexRange;
  readonly layers: readonly Layer<P>[];
  /**
   * The loss as a sum over tokens: a scalar. Or `[2]`, the sum and the number of terms that it is of, where that number follows from
   * the samples, as with padding: the sum is then divided by the terms of the whole batch. `y` is the output of the last layer.
   */
  loss(tape: Tape, y: Held<P>, target: Held<P>): Promise<Held<P>>;
}

/** A layer of any placement, for code that only walks over it. */
export interface AnyLayer extends Omit<Layer, "forward"> {
  /** Runs the layer on what the one before gave. */
  forward(tape: Tape, x: never): Promise<Tensor>;
}

/** A model of any placement: every `Model<P>` is one. */
export interface AnyModel {
  readonly name: string;
  readonly indices?: IndexRange;
  readonly layers: readonly AnyLayer[];
  /** Sums the loss over tokens: a scalar. */
  loss(tape: Tape, y: never, target: never): Promise<Tensor>;
}

/** One side of a sample. */
export interface Field {
  readonly shape: Shape;
  readonly dtype: "float32" | "int32";
}

/** Numbers of one side of a sample, row-major. */
export type Values = Float32Array | Int32Array;

/** One sample, row-major. */
export interface Sample {
  readonly input: Values;
  readonly target: Values;
}

/** Samples by number: the same number is the same sample on every mesh. */
export interface Data {
  readonly input: Field;
  readonly target: Field;
  /** Terms that one sample adds to the loss: the sum is divided by their number over the global batch. */
  readonly tokens: number;
  /**
   * Gives a sample, now or later. Pure: `index` counts samples from the start of training, `seed` is the run's. The samples of a
   * microbatch are asked for together. No rank asks again for one before `oldest`, for data that comes in order.
   */
  sample(index: number, seed: number, oldest?: number): Sample | Promise<Sample>;
}
