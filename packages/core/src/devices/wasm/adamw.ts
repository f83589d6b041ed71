// AdamW's update in one pass over the wasm heap, where the formula in tfjs operations takes twelve. Sums in double
// precision and rounds once, so it differs from the operations in the last bit; `optimizer.ts` has those.
import type { Tensor } from "@tensorflow/tfjs";
import { allocate, floats } from "./heap.ts";

/** What one element's update needs, the step's constants worked out. */
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

/** The new value and moments, in new tensors; all of one size, float32. */
export function adamwOnHeap(value: Tensor, grad: Tensor, m: Tensor, v: Tensor, step: AdamwStep): Tensor[] {
  const next = [value, m, v].map(({ shape }) => allocate(shape));
  const [p1, m1, v1] = next.map(floats) as [Float32Array, Float32Array, Float32Array];
  const [p0, g0, m0, v0] = [value, grad, m, v].map(floats) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { beta1, beta2, eps, rate, unbias2, keep, scale } = step;
  for (let i = 0; i < p1.length; i++) {
    const g = g0[i]! * scale;
    const first = beta1 * m0[i]! + (1 - beta1) * g;
    const second = beta2 * v0[i]! + (1 - beta2) * g * g;
    m1[i] = first;
    v1[i] = second;
    p1[i] = keep * p0[i]! - (rate * first) / (Math.sqrt(second * unbias2) + eps);
  }
  return next;
}
