// The end of a step on one rank: its part of the gradient norm, then the optimizer on the pieces it owns.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { readSquares } from "../devices/read.ts";
import type { Coords } from "../mesh.ts";
import type { Optimizer } from "../params/optimizer.ts";
import type { ParamSpec } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";

/** Whether this rank counts a parameter that others hold too. Along dp the store says so; along pp one rank holds it. */
const counts = ({ split }: ParamSpec, coords: Coords): boolean =>
  Object.entries(coords).every(([axis, at]) => axis === "dp" || axis === "pp" || axis in split || at === 0);

/** Sum of squares of the gradient elements that this rank counts, by owned parameter. */
export const gradientSquares = (store: ParamStore, coords: Coords): Promise<number[]> =>
  Promise.all(
    store
      .owned()
      .map(async ({ spec, grad, counts: [from, to] }) =>
        grad && from < to && counts(spec, coords) ? readSquares(grad, from, to) : 0,
      ),
  );

/** Runs an optimizer on what a store owns, and keeps its state. */
export class Updates {
  readonly #slots = new Map<string, Tensor[]>();
  readonly #optimizer: Optimizer;
  readonly #store: ParamStore;

  constructor(optimizer: Optimizer, store: ParamStore) {
    this.#optimizer = optimizer;
    this.#store = store;
  }

  /** `scale` multiplies every gradient first. */
  apply(step: number, scale: number): void {
    for (const { spec, value, grad } of this.#store.owned()) {
      if (!grad || !value.size) continue;
      const slots = this.#slotsOf(spec.name, value);
      const [next, ...rest] = tf.tidy(() => this.#optimizer.update(value, grad, slots, { spec, step, scale }));
      tf.dispose(slots);
      this.#slots.set(spec.name, rest);
      this.#store.update(spec.name, next!);
    }
  }

  #slotsOf(name: string, value: Tensor): Tensor[] {
    const { slots } = this.#optimizer;
    const seen = this.#slots.get(name);
    if (!seen) this.#store.meter.add("optimizer", slots * value.size * 4);
    return seen ?? Array.from({ length: slots }, () => tf.zerosLike(value));
  }

  dispose(): void {
    for (const slots of this.#slots.values()) tf.dispose(slots);
  }
}
