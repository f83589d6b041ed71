// ZeRO stage 3's layer of a store: inside it this rank holds its chunk of each parameter; whole ones are gathered while a
// segment runs and freed after it. Gradients are reduce-scattered.
import {
  elements,
  type Group,
  type Moment,
  type ParamStore,
  type RankView,
  type Shape,
  type StoreLayer,
} from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

/** A gathered parameter and how many are using it. */
interface Gathered {
  readonly whole: Promise<Tensor>;
  readonly bytes: number;
  users: number;
}

class Sharded implements StoreLayer {
  readonly #inner: ParamStore;
  readonly #group: Group;
  readonly #meter: RankView["meter"];
  readonly #gathered = new Map<string, Gathered>();
  readonly #shapes: ReadonlyMap<string, Shape>;
  /** Numbers the gathers, so that each has its own name: ranks make the same ones in the same order. */
  #calls = 0;

  constructor(inner: ParamStore, { meter, localShape }: RankView, group: Group) {
    this.#inner = inner;
    this.#group = group;
    this.#meter = meter;
    this.#shapes = new Map(inner.owned().map(({ spec }) => [spec.name, localShape(spec)]));
  }

  async acquire(names: readonly string[], at: Moment): Promise<Tensor[]> {
    const missing = [...new Set(names)].filter((name) => !this.#gathered.has(name));
    if (missing.length) this.#gather(missing, at);
    return Promise.all(
      names.map((name) => {
        const gathered = this.#gathered.get(name)!;
        gathered.users++;
        return gathered.whole;
      }),
    );
  }

  #gather(names: readonly string[], at: Moment): void {
    const shapes = names.map((name) => this.#shapes.get(name)!);
    const key = `${at.key} ${names[0]} #${this.#calls++}`;
    const wholes = this.#inner.acquire(names, at).then((chunks) => {
      const lent = chunks.map((part) => part.clone());
      return this.#group.allGather(lent, shapes, key);
    });
    names.forEach((name, i) => {
      const bytes = this.#group.size > 1 ? 4 * elements(shapes[i]!) : 0; // alone, the chunk is the whole
      this.#meter.add("params", bytes);
      this.#gathered.set(name, { whole: wholes.then((tensors) => tensors[i]!), bytes, users: 0 });
    });
  }

  release(names: readonly string[]): void {
    const freed = names.filter((name) => --this.#gathered.get(name)!.users === 0);
    for (const name of freed) {
      const { bytes, whole } = this.#gathered.get(name)!;
      this.#gathered.delete(name);
      this.#meter.add("params", -bytes);
      void whole.then((tensor) => tensor.dispose());
    }
    this.#inner.release(freed); // acquired once, however many use it
  }

  reduce(names: readonly string[], grads: readonly Tensor[], at: Moment): Promise<Tensor[]> {
    return this.#group.reduceScatter(grads, `${at.key} ${names[0]}`);
  }

  dispose(): void {
    for (const { whole } of this.#gathered.values())
      void whole.then(
        (t) => t.dispose(),
        () => {},
      );
  }
}

/** Puts gathering around a store that holds chunks. */
export const sharded = (inner: ParamStore, rank: RankView, group: Group): StoreLayer => new Sharded(inner, rank, group);
