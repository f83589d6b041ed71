// AdamW's update of one parameter (Loshchilov and Hutter, ICLR 2019, algorithm 2), the step's constants worked out.
import type { Tensor } from "@tensorflow/tfjs";
import { type Kernel, kernel } from "./kernel.ts";

/** Constants of one step. */
export interface AdamwStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Learning rate over the first moment's bias correction. */
  readonly rate: number;
  /** 1 over the second moment's bias correction. */
  readonly unbias2: number;
  /** What decay leaves of a value. */
  readonly keep: number;
  /** Multiplies the gradient first. */
  readonly scale: number;
}

/** A parameter, its gradient, and its two moments: four tensors of one size. */
export interface AdamwInputs {
  readonly value: Tensor;
  readonly grad: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
}

/** Computes the new value and moments, in new tensors: `m = beta1 m + (1 - beta1) g`, v likewise of g^2, `value = keep value - rate m / (sqrt(unbias2 v) + eps)`. */
export const adamw: Kernel<AdamwInputs, [value: Tensor, m: Tensor, v: Tensor], AdamwStep> = kernel(
  "orthant.adamw",
  ({ value, grad, m, v }, { beta1, beta2, eps, rate, unbias2, keep, scale }) => {
    const g = grad.mul(scale);
    const first = m.mul(beta1).add(g.mul(1 - beta1));
    const second = v.mul(beta2).add(g.square().mul(1 - beta2));
    const move = first.mul(rate).div(second.mul(unbias2).sqrt().add(eps));
    return [value.mul(keep).sub(move), first, second];
  },
);

/** Constants of one step for many parameters: what decay leaves of each, and the rest for all. */
export interface AdamwAllStep extends Omit<AdamwStep, "keep"> {
  readonly keep: readonly number[];
  /** A device may write new moments over m and v, and give these tensors back as the new ones: nobody reads the old ones any more. */
  readonly overwrite?: boolean;
}

/** Updates many parameters as `adamw` does one: value, grad, m, v of each in turn -> the new value, m, v of each in turn. */
export const adamwAll: Kernel<readonly Tensor[], Tensor[], AdamwAllStep> = kernel(
  "orthant.adamwAll",
  (tensors, { keep, ...step }) =>
    keep.flatMap((left, i) => {
      const [value, grad, m, v] = tensors.slice(4 * i, 4 * i + 4) as [Tensor, Tensor, Tensor, Tensor];
      return adamw({ value, grad, m, v }, { ...step, keep: left });
    }),
);
