// A parameter store answers "who holds this now". The store here holds everything this rank was dealt, on this rank;
// strategies wrap it: data parallelism sums its gradients, ZeRO-3 gathers its shards.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { Meter } from "../meter.ts";
import type { Shape } from "../model/segment.ts";
import type { ParamSpec } from "./params.ts";

/** A piece of a parameter that this rank updates. */
export interface Owned {
  readonly spec: ParamSpec;
  readonly value: Tensor;
  /** Summed over micros and, once reduced, over the data-parallel ranks; undefined before the first `addGrads`. */
  readonly grad: Tensor | undefined;
  /** Flat range of `grad` that this rank counts in the global norm, so that every element counts once. */
  readonly counts: readonly [from: number, to: number];
  /** Of the parameter as segments see it: `value` may be a flat chunk of that. */
  readonly shape: Shape;
}

export interface ParamStore {
  readonly meter: Meter;
  /** The parameters as segments see them; lent until `release`. `at` names the moment, the same on every rank. */
  acquire(names: readonly string[], at: string): Promise<Tensor[]>;
  release(names: readonly string[]): void;
  /** Adds to the gradients of this step. Takes ownership. */
  addGrads(names: readonly string[], grads: readonly Tensor[]): void;
  /** Told that no micro will add to these gradients any more in this step: a store may start to reduce them. */
  settleGrads?(names: readonly string[], at: string): void;
  /** The sum so far, removed from the store; the caller owns it. */
  takeGrads(names: readonly string[]): Tensor[];
  /** Makes the gradients those of the global batch, and waits for those that `settleGrads` started. */
  reduceGrads(names: readonly string[], at: string): Promise<void>;
  owned(): readonly Owned[];
  /** Replaces an owned value and drops its gradient. Takes ownership. */
  update(name: string, value: Tensor): void;
  dispose(): void;
}

/** One entry of `localStore`: what this rank keeps of a parameter. */
export interface Dealt {
  readonly spec: ParamSpec;
  /** Of the local parameter, before a flat cut. */
  readonly shape: Shape;
  /** The local parameter, or the flat chunk of it where `spec` asks for one. */
  readonly values: Float32Array;
}

interface Cell {
  readonly spec: ParamSpec;
  readonly shape: Shape;
  value: Tensor;
}

function toCell({ spec, shape, values }: Dealt): Cell {
  const flat = Object.values(spec.split).includes("flat");
  return { spec, shape, value: tf.tensor(values, flat ? [values.length] : [...shape]) };
}

const bytes = (t: Tensor) => t.size * 4;

/** Sums gradients by name, on behalf of a store. */
export class GradSum {
  readonly #sums = new Map<string, Tensor>();
  readonly #meter: Meter;
  constructor(meter: Meter) {
    this.#meter = meter;
  }

  get = (name: string): Tensor | undefined => this.#sums.get(name);

  add(names: readonly string[], grads: readonly Tensor[]): void {
    names.forEach((name, i) => {
      const seen = this.#sums.get(name);
      const grad = grads[i]!;
      this.#sums.set(name, seen ? tf.add(seen, grad) : grad);
      if (seen) tf.dispose([seen, grad]);
      else this.#meter.add("grads", bytes(grad));
    });
  }

  take(names: readonly string[]): Tensor[] {
    return names.map((name) => {
      const sum = this.#sums.get(name);
      if (!sum) throw new Error(`${name} has no gradient: no segment used it in this step`);
      this.#sums.delete(name);
      this.#meter.add("grads", -bytes(sum));
      return sum;
    });
  }

  drop(name: string): void {
    if (this.#sums.has(name)) tf.dispose(this.take([name]));
  }

  dispose(): void {
    for (const name of [...this.#sums.keys()]) this.drop(name);
  }
}

class LocalStore implements ParamStore {
  readonly meter: Meter;
  readonly #cells: ReadonlyMap<string, Cell>;
  readonly #grads: GradSum;

  constructor(dealt: readonly Dealt[], meter: Meter) {
    this.meter = meter;
    this.#grads = new GradSum(meter);
    this.#cells = new Map(dealt.map((d) => [d.spec.name, toCell(d)]));
    for (const { value } of this.#cells.values()) meter.add("params", bytes(value));
  }

  #cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (!cell) throw new Error(`this rank holds no parameter ${name}; it holds ${[...this.#cells.keys()].join(", ")}`);
    return cell;
  }

  acquire = async (names: readonly string[]): Promise<Tensor[]> => names.map((name) => this.#cell(name).value);
  release(): void {}
  addGrads = (names: readonly string[], grads: readonly Tensor[]): void => this.#grads.add(names, grads);
  takeGrads = (names: readonly string[]): Tensor[] => this.#grads.take(names);
  async reduceGrads(): Promise<void> {}

  owned(): Owned[] {
    return [...this.#cells.values()].map((cell) => {
      const grad = this.#grads.get(cell.spec.name);
      return { ...cell, grad, counts: [0, cell.value.size] };
    });
  }

  update(name: string, value: Tensor): void {
    const cell = this.#cell(name);
    cell.value.dispose();
    cell.value = value;
    this.#grads.drop(name);
  }

  dispose(): void {
    this.#grads.dispose();
    for (const { value } of this.#cells.values()) {
      this.meter.add("params", -bytes(value));
      value.dispose();
    }
  }
}

/** Holds each parameter whole, as dealt. */
export const localStore = (dealt: readonly Dealt[], meter = new Meter()): ParamStore => new LocalStore(dealt, meter);
