// The layer of ZeRO stages 1 and 2: every member holds whole parameters, and updates its flat chunk of each. Updated chunks are
// gathered bucket by bucket while others are updated.
import { chunk, elements, type Moment, type StoreLayer } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Settings } from "./options.ts";
import type { LayerOptions } from "./reduce.ts";

interface UpdatedSettings {
  readonly bucketBytes: number;
  /** Whether to keep updated chunks as they are beside what is gathered of them. */
  readonly masters: boolean;
}

/** Whether stages 1 and 2 keep master weights, on an axis of `members`: where gathers round. */
export const keepsMasters = ({ stage, wire }: Settings, members = 1): boolean =>
  (stage === 1 || stage === 2) && wire.gather !== "f32" && members > 1;

class Updated implements StoreLayer {
  readonly reduce: LayerOptions["reduce"];
  readonly #options: LayerOptions;
  readonly #settings: UpdatedSettings;
  /** This member's chunks to the last bit, where what is gathered is rounded: small updates would be lost in it. */
  readonly #masters = new Map<string, Tensor>();
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  /** Updated chunks that are not gathered yet. */
  readonly #chunks = new Map<string, Tensor>();
  readonly #gathering: Promise<void>[] = [];
  #calls = 0;

  constructor(options: LayerOptions, settings: UpdatedSettings) {
    this.#options = options;
    this.#settings = settings;
    this.reduce = options.reduce;
    this.#shapes = new Map(options.inner.owned().map((spec) => [spec.name, options.rank.valueShape(spec)]));
  }

  async piece(name: string): Promise<Tensor> {
    const { inner, group, sharded } = this.#options;
    const master = this.#masters.get(name);
    if (master) return master.clone();
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
    if (this.#settings.masters) this.#keep(name, value.clone());
    this.#chunks.set(name, value);
    const filled = [...this.#chunks.keys()].reduce((sum, key) => sum + 4 * elements(this.#shapes.get(key)!), 0);
    if (filled >= this.#settings.bucketBytes) this.#gather();
  }

  #keep(name: string, master: Tensor): void {
    const before = this.#masters.get(name);
    if (!before) this.#options.rank.meter.add("params", 4 * master.size);
    before?.dispose();
    this.#masters.set(name, master);
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
    tf.dispose([...this.#chunks.values(), ...this.#masters.values()]);
  }
}

/** Puts chunk-wise updates around a store that holds whole parameters; they are gathered by messages of `bucketBytes`. */
export const updated = (options: LayerOptions, settings: UpdatedSettings): StoreLayer => new Updated(options, settings);
