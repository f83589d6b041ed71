// The layer of ZeRO stages 1 and 2: every member holds whole parameters, and updates its flat chunk of each. Updated chunks are
// gathered bucket by bucket while others are updated.
import { chunk, elements, type Moment, type StoreLayer } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { LayerOptions } from "./reduce.ts";

class Updated implements StoreLayer {
  readonly reduce: LayerOptions["reduce"];
  readonly #options: LayerOptions;
  readonly #bucketBytes: number;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  /** Updated chunks that are not gathered yet. */
  readonly #chunks = new Map<string, Tensor>();
  readonly #gathering: Promise<void>[] = [];
  #calls = 0;

  constructor(options: LayerOptions, bucketBytes: number) {
    this.#options = options;
    this.#bucketBytes = bucketBytes;
    this.reduce = options.reduce;
    this.#shapes = new Map(options.inner.owned().map((spec) => [spec.name, options.rank.valueShape(spec)]));
  }

  async piece(name: string): Promise<Tensor> {
    const { inner, group, sharded } = this.#options;
    const whole = await inner.piece(name);
    if (!sharded(name)) return whole;
    const [from, to] = chunk(whole.size, group.size, group.rank);
    const mine = tf.tidy(() => whole.flatten().slice(from, to - from));
    whole.dispose();
    return mine;
  }

  async update(name: string, value: Tensor): Promise<void> {
    const { inner, sharded } = this.#options;
    if (!sharded(name)) return inner.update(name, value);
    this.#chunks.set(name, value);
    const filled = [...this.#chunks.keys()].reduce((sum, key) => sum + 4 * elements(this.#shapes.get(key)!), 0);
    if (filled >= this.#bucketBytes) this.#gather();
  }

  #gather(): void {
    const { inner, group } = this.#options;
    const names = [...this.#chunks.keys()];
    if (!names.length) return;
    const chunks = [...this.#chunks.values()];
    this.#chunks.clear();
    const shapes = names.map((name) => this.#shapes.get(name)!);
    const updated = group.allGather(chunks, shapes, `updated ${this.#calls++}`).then(async (wholes) => {
      for (const [i, name] of names.entries()) await inner.update(name, wholes[i]!);
    });
    updated.catch(() => {}); // reported by `endStep`
    this.#gathering.push(updated);
  }

  async endStep(_at: Moment): Promise<void> {
    this.#gather();
    await Promise.all(this.#gathering.splice(0));
  }

  dispose(): void {
    tf.dispose([...this.#chunks.values()]);
  }
}

/** Puts chunk-wise updates around a store that holds whole parameters; they are gathered by messages of `bucketBytes`. */
export const updated = (options: LayerOptions, bucketBytes: number): StoreLayer => new Updated(options, bucketBytes);
