// Optimizers and learning-rate schedules: plain data and pure updates of one piece of one parameter, so that they work
// on whole parameters and on shards alike.
import type { Tensor } from "@tensorflow/tfjs";
import { type AdamwStep, adamw as adamwKernel } from "../devices/kernels/adamw.ts";
import type { ParamSpec } from "./params.ts";

/** Learning rate of a step, counted from 0. */
export type LearningRate = number | ((step: number) => number);

export interface UpdateContext {
  readonly spec: ParamSpec;
  /** Counted from 0. */
  readonly step: number;
  /** The gradient is multiplied by this first (clipping). */
  readonly scale: number;
}

/** Rule that makes new values of old ones and their gradient, such as `adamw()`. */
export interface Optimizer {
  readonly name: string;
  /** Tensors of state per parameter, each as large as the parameter; they start at zero. */
  readonly slots: number;
  /** Learning rate of a step, counted from 0. */
  lr(step: number): number;
  /** The new value, then the new slots. Runs inside `tf.tidy`; disposes nothing. */
  update(value: Tensor, grad: Tensor, slots: readonly Tensor[], context: UpdateContext): Tensor[];
}

const toFunction = (lr: LearningRate) => (typeof lr === "number" ? () => lr : lr);

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
  const rate = toFunction(lr);
  refuse("adamw({ beta1 })", beta1, beta1 >= 0 && beta1 < 1, "at least 0 and below 1");
  refuse("adamw({ beta2 })", beta2, beta2 >= 0 && beta2 < 1, "at least 0 and below 1");
  return {
    name: "adamw",
    slots: 2,
    lr: rate,
    update(value, grad, [m, v], { spec, step, scale }) {
      const constants: AdamwStep = {
        beta1,
        beta2,
        eps,
        scale,
        rate: rate(step) / (1 - beta1 ** (step + 1)),
        unbias2: 1 / (1 - beta2 ** (step + 1)),
        keep: spec.shape.length >= 2 ? 1 - rate(step) * weightDecay : 1,
      };
      return adamwKernel({ value, grad, m: m!, v: v! }, constants);
    },
  };
}

/** SGD with momentum (Polyak, 1964; the form of Sutskever et al., ICML 2013, without dampening). */
export function sgd({ lr, momentum = 0 }: { readonly lr: LearningRate; readonly momentum?: number }): Optimizer {
  const rate = toFunction(lr);
  refuse("sgd({ momentum })", momentum, momentum >= 0 && momentum < 1, "at least 0 and below 1");
  return {
    name: "sgd",
    slots: momentum ? 1 : 0,
    lr: rate,
    update(value, grad, [velocity], { step, scale }) {
      const g = scale === 1 ? grad : grad.mul(scale);
      const next = velocity ? velocity.mul(momentum).add(g) : g;
      const moved = value.sub(next.mul(rate(step)));
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
