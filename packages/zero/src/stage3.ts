// ZeRO stage 3: the inner store holds this rank's chunk of each parameter; whole ones are gathered while a segment
// runs and freed after it. Gradients are summed whole over the step's micros, then reduce-scattered.
import { elements, GradSum, type Group, type ParamStore, Reductions } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

/** A gathered parameter and how many are using it. */
interface Gathered {
  readonly whole: Promise<Tensor>;
  readonly bytes: number;
  users: number;
}

class ShardedStore implements ParamStore {
  readonly meter: ParamStore["meter"];
  readonly #inner: ParamStore;
  readonly #group: Group;
  readonly #grads: GradSum;
  readonly #reductions = new Reductions();
  readonly #gathered = new Map<string, Gathered>();
  readonly #shapes: ReadonlyMap<string, number[]>;
  /** Numbers the gathers, so that each has its own name: ranks make the same ones in the same order. */
  #calls = 0;

  constructor(inner: ParamStore, group: Group) {
    this.meter = inner.meter;
    this.#inner = inner;
    this.#group = group;
    this.#grads = new GradSum(inner.meter);
    this.#shapes = new Map(inner.owned().map(({ spec, shape }) => [spec.name, [...shape]]));
  }

  async acquire(names: readonly string[], at: string): Promise<Tensor[]> {
    const missing = names.filter((name) => !this.#gathered.has(name));
    if (missing.length) this.#gather(missing, at);
    return Promise.all(
      names.map((name) => {
        const gathered = this.#gathered.get(name)!;
        gathered.users++;
        return gathered.whole;
      }),
    );
  }

  #gather(names: readonly string[], at: string): void {
    const shapes = names.map((name) => this.#shapes.get(name)!);
    const wholes = this.#inner.acquire(names, at).then((chunks) => {
      const lent = chunks.map((part) => part.clone());
      return this.#group.allGather(lent, shapes, `${at} ${names[0]} #${this.#calls++}`);
    });
    names.forEach((name, i) => {
      const bytes = this.#group.size > 1 ? 4 * elements(shapes[i]!) : 0; // alone, the chunk is the whole
      this.meter.add("params", bytes);
      this.#gathered.set(name, { whole: wholes.then((tensors) => tensors[i]!), bytes, users: 0 });
    });
  }

  release(names: readonly string[]): void {
    for (const name of names) {
      const gathered = this.#gathered.get(name)!;
      if (--gathered.users) continue;
      this.#gathered.delete(name);
      this.meter.add("params", -gathered.bytes);
      void gathered.whole.then((whole) => whole.dispose());
    }
    this.#inner.release(names);
  }

  addGrads = (names: readonly string[], grads: readonly Tensor[]): void => this.#grads.add(names, grads);
  takeGrads = (names: readonly string[]): Tensor[] => this.#grads.take(names);

  settleGrads = (names: readonly string[], at: string): void => this.#reductions.start(names, this.#reduce(names, at));

  async reduceGrads(names: readonly string[], at: string): Promise<void> {
    await this.#reduce(await this.#reductions.finish(names), at);
  }

  async #reduce(names: readonly string[], at: string): Promise<void> {
    if (!names.length) return;
    const whole = this.#grads.take(names);
    this.#inner.addGrads(names, await this.#group.reduceScatter(whole, `${at} ${names[0]}`));
  }

  owned = () => this.#inner.owned();
  update = (name: string, value: Tensor): void => this.#inner.update(name, value);

  dispose(): void {
    this.#grads.dispose();
    for (const { whole } of this.#gathered.values())
      void whole.then(
        (t) => t.dispose(),
        () => {},
      );
    this.#inner.dispose();
  }
}

/** Wraps a store that holds chunks. */
export const sharded = (inner: ParamStore, group: Group): ParamStore => new ShardedStore(inner, group);
