// AdamW's update in one pass over the wasm heap, where the reference takes twelve. Sums in double precision and rounds
// once, so it differs from the reference in the last bit.
import type { Tensor } from "@tensorflow/tfjs";
import type { AdamwInputs, AdamwStep } from "../kernels/adamw.ts";
import { allocate, floats } from "./heap.ts";

type Three<T> = [T, T, T];

/** The new value and moments, in new tensors; all of one size, float32. */
export function adamw({ value, grad, m, v }: AdamwInputs, step: AdamwStep): Three<Tensor> {
  const next = [value, m, v].map(({ shape }) => allocate(shape)) as Three<Tensor>;
  const [p1, m1, v1] = next.map(floats) as Three<Float32Array>;
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
