// The end of a step on one rank: its part of the gradient norm, then the optimizer on the pieces it owns.
import * as tf from "@tensorflow/tfjs";
import { readSquares } from "../devices/read.ts";
import type { Gradients } from "../params/gradients.ts";
import type { Optimizer } from "../params/optimizer.ts";
import type { ParamSpec } from "../params/params.ts";
import type { Owned, ParamStore } from "../params/store.ts";

/** Sum of squares of the gradient elements that this rank counts, by parameter; `counted` gives the flat range of each. */
export const gradientSquares = (
  params: readonly ParamSpec[],
  gradients: Gradients,
  counted: (spec: ParamSpec) => readonly [from: number, to: number],
): Promise<number[]> =>
  Promise.all(
    params.map((spec) => {
      const grad = gradients.get(spec.name);
      const [from, to] = counted(spec);
      return grad && from < to ? readSquares(grad, from, to) : 0;
    }),
  );

/** One optimizer step on what a store owns. */
export interface Update {
  readonly optimizer: Optimizer;
  readonly step: number;
  /** Multiplies every gradient first. */
  readonly scale: number;
}

/** Updates every owned value that has a gradient, and drops the gradient. */
export async function update(store: ParamStore, gradients: Gradients, how: Update): Promise<void> {
  for (const owned of store.owned()) {
    if (owned.value.size) await updateOne(store, gradients, owned, how);
    gradients.drop(owned.spec.name);
  }
}

async function updateOne(store: ParamStore, gradients: Gradients, { spec, value }: Owned, how: Update): Promise<void> {
  const { optimizer, step, scale } = how;
  const grad = gradients.get(spec.name);
  if (!grad) return;
  const slots = (await store.slots(spec.name)) ?? Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
  const [next, ...rest] = tf.tidy(() => optimizer.update(value, grad, slots, { spec, step, scale }));
  tf.dispose(slots);
  store.update(spec.name, next!);
  await store.keepSlots(spec.name, rest);
}
