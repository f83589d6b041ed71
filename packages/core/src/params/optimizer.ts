// Optimizers and learning-rate schedules: plain data and pure updates of one piece of one parameter, so that they work
// on whole parameters and on shards alike.
import type { Tensor } from "@tensorflow/tfjs";
import { type AdamwStep, adamwAll, adamw as adamwKernel } from "../devices/kernels/adamw.ts";
import type { ParamSpec } from "./params.ts";

/** One evaluation, after step `step`, counted from 0; -1 before the first. */
export interface Evaluation {
  readonly step: number;
  /** Loss per token. */
  readonly loss: number;
  readonly samples: number;
}

/** What a run saw before a step: the same on every rank that shares a loss. */
export interface Seen {
  /** Losses per token of this run's steps, the newest last; those before a checkpoint that it went on from too. */
  readonly losses: readonly number[];
  readonly evaluations: readonly Evaluation[];
}

/** Learning rate of a step, counted from 0, from what was seen before it: pure, as every rank works it out. */
export type LearningRate = number | ((step: number, seen: Seen) => number);

const nothing: Seen = { losses: [], evaluations: [] };

export interface UpdateContext {
  readonly spec: ParamSpec;
  /** Counted from 0. */
  readonly step: number;
  /** The gradient is multiplied by this first (clipping). */
  readonly scale: number;
  /** Learning rate of the step. */
  readonly lr: number;
}

/** What one update starts from. */
export interface Piece {
  readonly value: Tensor;
  readonly grad: Tensor;
  readonly slots: readonly Tensor[];
  readonly context: UpdateContext;
}

/** Rule that makes new values of old ones and their gradient, such as `adamw()`. */
export interface Optimizer {
  readonly name: string;
  /** Tensors of state per parameter, each as large as the parameter; they start at zero. */
  readonly slots: number;
  /** The learning rate of a step; `seen` is what the run saw before it, nothing where absent. */
  lr(step: number, seen?: Seen): number;
  /** The new value, then the new slots. Runs inside `tf.tidy`; disposes nothing. */
  update(value: Tensor, grad: Tensor, slots: readonly Tensor[], context: UpdateContext): Tensor[];
  /**
   * Gives what updates many pieces of one step in one go, as `update` does each: where the current device can, undefined
   * elsewhere. Slots may be written over and given back. Disposes nothing, and makes no other tensors.
   */
  many?(): ((pieces: readonly Piece[]) => Tensor[][]) | undefined;
}

const toFunction = (lr: LearningRate) =>
  typeof lr === "function" ? (step: number, seen: Seen = nothing) => lr(step, seen) : () => lr;

function refuse(option: string, value: number, ok: boolean, range: string): void {
  if (!ok) throw new Error(`${option} is ${value}; it must be ${range}`);
}

export interface AdamWOptions {
  readonly lr: LearningRate;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Decoupled decay per step, in units of the learning rate; on parameters of two dims and more. */
  readonly weightDecay?: number;
}

/** AdamW (Loshchilov and Hutter: Decoupled weight decay regularization, ICLR 2019, algorithm 2). */
export function adamw({ lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 }: AdamWOptions): Optimizer {
  refuse("adamw({ beta1 })", beta1, beta1 >= 0 && beta1 < 1, "at least 0 and below 1");
  refuse("adamw({ beta2 })", beta2, beta2 >= 0 && beta2 < 1, "at least 0 and below 1");
  const left = ({ spec, lr }: UpdateContext): number => (spec.shape.length >= 2 ? 1 - lr * weightDecay : 1);
  const constants = (context: UpdateContext): AdamwStep => ({
    beta1,
    beta2,
    eps,
    scale: context.scale,
    rate: context.lr / (1 - beta1 ** (context.step + 1)),
    unbias2: 1 / (1 - beta2 ** (context.step + 1)),
    keep: left(context),
  });
  const together = (pieces: readonly Piece[]): Tensor[][] => {
    if (!pieces.length) return [];
    const { context } = pieces[0]!;
    const next = adamwAll(
      pieces.flatMap(({ value, grad, slots }) => [value, grad, ...slots]),
      { ...constants(context), keep: pieces.map((piece) => left(piece.context)), overwrite: true },
    );
    return pieces.map((_, i) => next.slice(3 * i, 3 * i + 3));
  };
  return {
    name: "adamw",
    slots: 2,
    lr: toFunction(lr),
    update: (value, grad, [m, v], context) => adamwKernel({ value, grad, m: m!, v: v! }, constants(context)),
    many: () => (adamwAll.own() ? together : undefined),
  };
}

/** SGD with momentum (Polyak, 1964; the form of Sutskever et al., ICML 2013, without dampening). */
export function sgd({ lr, momentum = 0 }: { readonly lr: LearningRate; readonly momentum?: number }): Optimizer {
  refuse("sgd({ momentum })", momentum, momentum >= 0 && momentum < 1, "at least 0 and below 1");
  return {
    name: "sgd",
    slots: momentum ? 1 : 0,
    lr: toFunction(lr),
    update(value, grad, [velocity], { scale, lr }) {
      const g = scale === 1 ? grad : grad.mul(scale);
      const next = velocity ? velocity.mul(momentum).add(g) : g;
      const moved = value.sub(next.mul(lr));
      return velocity ? [moved, next] : [moved];
    },
  };
}

export interface CosineOptions {
  /** Highest rate, reached after `warmup` steps of linear growth. */
  readonly peak: number;
  readonly warmup?: number;
  /** Step at which `floor` is reached. */
  readonly steps: number;
  readonly floor?: number;
}

/** Linear warm-up, then half a cosine (Loshchilov and Hutter: SGDR, ICLR 2017). */
export const cosine =
  ({ peak, warmup = 0, steps, floor = 0 }: CosineOptions): LearningRate =>
  (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };

/** Linear warm-up, then constant. */
export const constant =
  (peak: number, warmup = 0): LearningRate =>
  (step) =>
    step < warmup ? (peak * (step + 1)) / warmup : peak;

/** Options of `plateau()`. */
export interface PlateauOptions {
  /** The rate to begin with. */
  readonly lr: number;
  /** What the rate is multiplied by. 0.1 by default. */
  readonly factor?: number;
  /** Evaluations, or steps where nothing is evaluated, without a better loss before the rate falls. 10 by default. */
  readonly patience?: number;
  /** A loss is better below the best one times 1 minus this. 1e-4 by default. */
  readonly threshold?: number;
  /** The rate never falls below this. 0 by default. */
  readonly floor?: number;
}

/** Losses looked at, the best of them, those since, and the rate. */
interface Watched {
  looked: number;
  best: number;
  since: number;
  rate: number;
}

/** A rate that falls where the loss no longer does: that of evaluations where there are some, else that of steps. */
export function plateau(options: PlateauOptions): LearningRate {
  const { lr, factor = 0.1, patience = 10, threshold = 1e-4, floor = 0 } = options;
  refuse("plateau({ factor })", factor, factor > 0 && factor < 1, "above 0 and below 1");
  refuse("plateau({ patience })", patience, Number.isInteger(patience) && patience > 0, "a whole number from 1");
  const watched = new WeakMap<readonly unknown[], Watched>(); // each rank's lists grow: what was looked at is not again
  return (_, { losses, evaluations }) => {
    const list = evaluations.length ? evaluations : losses;
    const state = watched.get(list) ?? { looked: 0, best: Number.POSITIVE_INFINITY, since: 0, rate: lr };
    watched.set(list, state);
    for (; state.looked < list.length; state.looked++) {
      const entry = list[state.looked]!;
      const loss = typeof entry === "number" ? entry : entry.loss;
      const better = loss < state.best * (1 - threshold);
      state.since = better ? 0 : state.since + 1;
      if (better) state.best = loss;
      if (state.since < patience) continue;
      Object.assign(state, { since: 0, rate: Math.max(floor, state.rate * factor) });
    }
    return state.rate;
  };
}
