// ZeRO stage 3's layer of a store: inside it this rank holds its chunk of each parameter; whole ones are gathered ahead of
// their use and freed after it, as `gather-plan.ts` says.
import type { Moment, ParamSpec, StoreLayer } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";
import type { GatherPlan } from "./gather-plan.ts";
import type { LayerOptions } from "./reduce.ts";

/** A gathered parameter, and how many need it: segments that run, gathers ahead, an UNSHARD. */
interface Whole {
  readonly tensor: Promise<Tensor>;
  readonly bytes: number;
  users: number;
}

class Gathered implements StoreLayer {
  readonly reduce: LayerOptions["reduce"];
  readonly #options: LayerOptions;
  readonly #plan: GatherPlan;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #whole = new Map<string, Whole>();
  /** The step that is under way, the position in its plan of the next acquire, and what to free at the next release. */
  #step = -1;
  #next = 0;
  #free: readonly string[] = [];
  /** Numbers the gathers, so that each has its own name: members make the same ones in the same order. */
  #calls = 0;

  readonly #bytes: ReadonlyMap<string, number>;

  constructor(options: LayerOptions, plan: GatherPlan, held: (spec: ParamSpec) => number) {
    this.#options = options;
    this.#plan = plan;
    this.#bytes = new Map(options.inner.owned().map((spec) => [spec.name, 4 * held(spec)]));
    this.reduce = options.reduce;
    this.#shapes = new Map(options.inner.owned().map((spec) => [spec.name, options.rank.valueShape(spec)]));
  }

  async acquire(names: readonly string[], at: Moment): Promise<Tensor[]> {
    if (at.step !== this.#step) [this.#next, this.#step] = [0, at.step];
    if (at.micro !== undefined && names.length && this.#plan.steps.length) this.#follow(names, at);
    const { inner, sharded } = this.#options;
    this.#use(names.filter(sharded), at);
    const others = await inner.acquire(
      names.filter((name) => !sharded(name)),
      at,
    );
    const rest = [...others];
    return Promise.all(names.map((name) => (sharded(name) ? this.#whole.get(name)!.tensor : rest.shift()!)));
  }

  release(names: readonly string[]): void {
    const { inner, sharded } = this.#options;
    this.#drop([...names.filter(sharded), ...this.#free]);
    this.#free = [];
    inner.release(names.filter((name) => !sharded(name)));
  }

  /** Does what the plan says up to this acquire; a segment may read less than it was planned to. */
  #follow(names: readonly string[], at: Moment): void {
    const { rank } = this.#options;
    const fits = (i: number) => names.every((name) => rank.acquires[i]!.params.some((spec) => spec.name === name));
    let position = this.#next;
    while (position < rank.acquires.length && !fits(position)) position++;
    if (position === rank.acquires.length) return; // not of the plan: gathered for itself
    for (; this.#next <= position; this.#next++) {
      const { start, free } = this.#plan.steps[this.#next]!;
      for (const params of start)
        this.#use(
          params.map(({ name }) => name),
          at,
        );
      if (this.#next < position) this.#drop(free);
      else this.#free = free;
    }
  }

  /** Counts one more that needs each; gathers what is not whole, in one message. */
  #use(names: readonly string[], at: Moment): void {
    const missing = [...new Set(names)].filter((name) => !this.#whole.has(name));
    if (missing.length) this.#gather(missing, at);
    for (const name of names) this.#whole.get(name)!.users++;
  }

  #gather(names: readonly string[], at: Moment): void {
    const { inner, group, rank } = this.#options;
    const shapes = names.map((name) => this.#shapes.get(name)!);
    const key = `step ${at.step} gather ${this.#calls++} ${names[0]}`;
    const wholes = inner.acquire(names, at).then((chunks) => {
      const lent = chunks.map((part) => part.clone());
      inner.release(names);
      return group.allGather(lent, shapes, key);
    });
    names.forEach((name, i) => {
      const bytes = this.#bytes.get(name)!;
      rank.meter.add("params", bytes);
      const tensor = wholes.then((tensors) => tensors[i]!);
      tensor.catch(() => {}); // reported by who uses it
      this.#whole.set(name, { tensor, bytes, users: 0 });
    });
  }

  #drop(names: readonly string[]): void {
    for (const name of names) {
      const whole = this.#whole.get(name)!;
      if (--whole.users) continue;
      this.#whole.delete(name);
      this.#options.rank.meter.add("params", -whole.bytes);
      void free(whole.tensor);
    }
  }

  dispose(): void {
    for (const { tensor } of this.#whole.values()) void free(tensor);
  }
}

const free = (tensor: Promise<Tensor>): Promise<void> =>
  tensor.then(
    (t) => t.dispose(),
    () => {},
  );

/** Puts gathering around a store that holds chunks; `held` is what a rank holds of a parameter while it is gathered, in elements. */
export const gathered = (options: LayerOptions, plan: GatherPlan, held: (spec: ParamSpec) => number): StoreLayer =>
  new Gathered(options, plan, held);
