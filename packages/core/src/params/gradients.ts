// The gradients of one rank in one step: summed over micros and uses, then reduced by every strategy as soon as no segment
// will add to them, while the backward goes on (Li et al.: PyTorch distributed, VLDB 2020, section 3.2.3).
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { type Meter, tensorBytes } from "../meter.ts";
import { elements, type Shape } from "../model/segment.ts";
import type { Moment } from "./moment.ts";
import type { StoreLayer } from "./store.ts";

/** A parameter that is trained on this rank. */
export interface Trained {
  readonly name: string;
  /** Shape of the local parameter, as segments see it. */
  readonly shape: Shape;
  /** The names under which segments of this rank use it, in the model's order; more than one where it is tied. */
  readonly uses: readonly string[];
  /** How often a step adds to its gradient on this rank. */
  readonly additions: number;
  /** Elements of the piece that is left of the gradient when it is reduced. */
  readonly piece: number;
}

export interface GradientsOptions {
  readonly trained: readonly Trained[];
  readonly meter: Meter;
  /** Adds up the sums of each parameter's uses, those on other stages included. Takes ownership. */
  combine(names: readonly string[], sums: readonly (readonly Tensor[])[], at: Moment): Promise<Tensor[]>;
  /** The strategies' reductions, in the order of the list. */
  readonly reductions: readonly NonNullable<StoreLayer["reduce"]>[];
  /** Complete gradients wait until they are this many bytes together; 0 for none to wait. */
  readonly bucketBytes: number;
}

/** Lets calls through in the order in which their turns were taken. */
class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Takes a turn: wait for `mine`, make the call, then `pass`. */
  take(): { readonly mine: Promise<void>; pass(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = this.#last;
    this.#last = promise;
    return { mine, pass: resolve };
  }
}

export class Gradients {
  readonly #options: GradientsOptions;
  readonly #trained: ReadonlyMap<string, Trained>;
  /** The parameter of each use. */
  readonly #owner: ReadonlyMap<string, string>;
  /** One for each reduction: every member of a group makes the same calls in the same order. */
  readonly #turnstiles: readonly Turnstile[];
  /** Additions that this step still waits for, by parameter. */
  readonly #left = new Map<string, number>();
  /** Sums over micros, by use: uses are added up last, in the model's order, so that the bits are the same on every stage. */
  readonly #sums = new Map<string, Tensor>();
  /** Complete gradients that are not being reduced yet. */
  #bucket: string[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #reduced = new Map<string, Tensor>();
  #disposed = false;
  /** Bytes that the meter has on this account: of sums, and of pieces from the moment their reduction starts. */
  #held = 0;

  constructor(options: GradientsOptions) {
    this.#options = options;
    this.#trained = new Map(options.trained.map((t) => [t.name, t]));
    this.#owner = new Map(options.trained.flatMap((t) => t.uses.map((use) => [use, t.name] as const)));
    this.#turnstiles = options.reductions.map(() => new Turnstile());
  }

  #count(change: number): void {
    this.#held += change;
    this.#options.meter.add("grads", change);
  }

  /** Whether a use is trained: frozen ones take no gradient. */
  trains = (use: string): boolean => this.#owner.has(use);

  /** Adds the gradients of one segment; where these fill a bucket, its reduction starts. Takes ownership. */
  add(uses: readonly string[], grads: readonly Tensor[], at: Moment): void {
    for (const [i, use] of uses.entries()) this.#add(use, grads[i]!);
    const done = [...new Set(uses.map((use) => this.#owner.get(use)!))].filter((name) => this.#left.get(name) === 0);
    this.#bucket.push(...done);
    const filled = this.#bucket.reduce((sum, name) => sum + 4 * elements(this.#trained.get(name)!.shape), 0);
    if (done.length && filled >= this.#options.bucketBytes) this.#flush(at);
  }

  #flush(at: Moment): void {
    const names = this.#bucket;
    this.#bucket = [];
    if (names.length) this.#start(names, at);
  }

  #add(use: string, grad: Tensor): void {
    const name = this.#owner.get(use)!;
    const { additions } = this.#trained.get(name)!;
    const left = this.#left.get(name) ?? additions;
    if (left === 0)
      throw new Error(
        `a segment adds to the gradient of ${name} more than the ${additions} times a step that plan counted: ` +
          "a layer must run the same segments on every rank and in every micro",
      );
    this.#left.set(name, left - 1);
    const seen = this.#sums.get(use);
    this.#sums.set(use, seen ? tf.add(seen, grad) : grad);
    if (seen) tf.dispose([seen, grad]);
    else this.#count(tensorBytes(grad));
  }

  #start(names: readonly string[], at: Moment): void {
    const sums = names.map((name) => this.#take(name));
    for (const name of names) this.#count(4 * this.#trained.get(name)!.piece);
    const reduced = this.#reduce(names, sums, at).then((grads) => this.#keep(names, grads));
    reduced.catch(() => {}); // reported by `finish`
    for (const name of names) this.#running.set(name, reduced);
  }

  /** Takes the sums of a parameter's uses; zeros for one that no segment reached. */
  #take(name: string): Tensor[] {
    const { uses, shape } = this.#trained.get(name)!;
    return uses.map((use) => {
      const sum = this.#sums.get(use);
      this.#sums.delete(use);
      if (sum) this.#count(-tensorBytes(sum));
      return sum ?? tf.zeros([...shape]);
    });
  }

  async #reduce(names: readonly string[], sums: readonly Tensor[][], at: Moment): Promise<Tensor[]> {
    const { combine, reductions } = this.#options;
    const turns = this.#turnstiles.map((turnstile) => turnstile.take());
    try {
      let grads = await combine(names, sums, at);
      for (const [i, reduce] of reductions.entries()) {
        await turns[i]!.mine;
        const reduced = reduce(names, grads, at);
        turns[i]!.pass();
        grads = await reduced;
      }
      return grads;
    } finally {
      for (const turn of turns) turn.pass();
    }
  }

  #keep(names: readonly string[], grads: readonly Tensor[]): void {
    if (this.#disposed) tf.dispose([...grads]);
    else
      names.forEach((name, i) => {
        this.#reduced.set(name, grads[i]!);
      });
  }

  /** Waits for the reductions of these parameters; starts those of parameters that no loss depends on. */
  async finish(names: readonly string[], at: Moment): Promise<void> {
    this.#flush(at);
    const late = names.filter((name) => this.#trained.has(name) && !this.#running.has(name));
    if (late.length) this.#start(late, at);
    await Promise.all(names.map((name) => this.#running.get(name)));
    for (const name of names) {
      this.#running.delete(name);
      this.#left.delete(name);
    }
  }

  /** The reduced gradient of what this rank owns of a parameter; undefined for one that is frozen. Lent. */
  get = (name: string): Tensor | undefined => this.#reduced.get(name);

  /** Frees a gradient that was used. */
  drop(name: string): void {
    const grad = this.#reduced.get(name);
    if (!grad) return;
    this.#count(-4 * this.#trained.get(name)!.piece);
    grad.dispose();
    this.#reduced.delete(name);
  }

  /** Frees everything; what a reduction under way still brings is freed when it comes. */
  dispose(): void {
    this.#disposed = true;
    tf.dispose([...this.#sums.values(), ...this.#reduced.values()]);
    this.#count(-this.#held);
    this.#sums.clear();
    this.#reduced.clear();
  }
}
