// A parameter store answers "who holds this now". The store here holds everything this rank was dealt, on this rank;
// strategies put layers around it: ZeRO-3 gathers its shards, others keep optimizer state elsewhere.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { view } from "../devices/view.ts";
import { type Meter, tensorBytes } from "../meter.ts";
import type { Shape } from "../model/segment.ts";
import type { ExtraState } from "./extra.ts";
import type { Moment } from "./moment.ts";
import type { ParamSpec } from "./params.ts";

/** The parameters of one rank. */
export interface ParamStore {
  /** Lends the parameters as segments see them, until `release`. */
  acquire(names: readonly string[], at: Moment): Promise<Tensor[]>;
  release(names: readonly string[]): void;
  /** What the optimizer updates a piece of here. */
  owned(): readonly ParamSpec[];
  /** The piece that this rank updates: the local parameter, or a flat chunk of it. The caller's to dispose. */
  piece(name: string): Promise<Tensor>;
  /** Replaces a piece. Takes ownership. */
  update(name: string, value: Tensor): Promise<void>;
  /** Hands over the optimizer state of a piece, the caller's to dispose or to keep again; undefined where none was kept. */
  slots(name: string): Promise<Tensor[] | undefined>;
  /** Keeps the optimizer state of a piece. Takes ownership. */
  keepSlots(name: string, slots: readonly Tensor[]): Promise<void>;
}

/**
 * What a strategy puts around a store. What it leaves out goes to the store inside. `reduce` and `endStep` are called by
 * core for every strategy, in the order of the list: no layer calls another's.
 */
export interface StoreLayer extends Partial<ParamStore> {
  /**
   * Turns gradients, summed over this rank's micros, into what the next strategy of the list expects, in the end those of
   * the global batch for the pieces owned here. Called once a step for each parameter, when no segment will add to it any
   * more. Takes ownership of `grads`, the result is the caller's.
   */
  reduce?(names: readonly string[], grads: readonly Tensor[], at: Moment): Promise<Tensor[]>;
  /** Called after all updates of a step. */
  endStep?(at: Moment): Promise<void>;
  /** What the layer carries from step to step beside the pieces and their optimizer state: checkpoints have it too. */
  readonly extra?: ExtraState;
  dispose?(): void;
}

/** The innermost store: all of its own, nothing inside to leave it to. */
export type BaseStore = ParamStore & Pick<StoreLayer, "endStep" | "dispose">;

/** One entry of a base store: what this rank keeps of a parameter. */
export interface Dealt {
  readonly spec: ParamSpec;
  /** Shape of the local parameter, before a flat cut. */
  readonly shape: Shape;
  /** The local parameter, or the flat chunk of it where `spec` asks for one. */
  readonly values: Float32Array;
}

interface Cell {
  readonly spec: ParamSpec;
  value: Tensor;
  slots: readonly Tensor[] | undefined;
}

function toCell({ spec, shape, values }: Dealt): Cell {
  const flat = Object.values(spec.split).includes("flat");
  return { spec, value: tf.tensor(values, flat ? [values.length] : [...shape]), slots: undefined };
}

class LocalStore implements ParamStore {
  readonly #meter: Meter;
  readonly #cells: ReadonlyMap<string, Cell>;

  constructor(dealt: readonly Dealt[], meter: Meter) {
    this.#meter = meter;
    this.#cells = new Map(dealt.map((d) => [d.spec.name, toCell(d)]));
    for (const { value } of this.#cells.values()) meter.add("params", tensorBytes(value));
  }

  #cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (!cell) throw new Error(`this rank holds no parameter ${name}; it holds ${[...this.#cells.keys()].join(", ")}`);
    return cell;
  }

  acquire = async (names: readonly string[]): Promise<Tensor[]> => names.map((name) => this.#cell(name).value);
  release(): void {}
  owned = (): ParamSpec[] => [...this.#cells.values()].map(({ spec }) => spec);
  piece = async (name: string): Promise<Tensor> => view(this.#cell(name).value);

  async update(name: string, value: Tensor): Promise<void> {
    const cell = this.#cell(name);
    cell.value.dispose();
    cell.value = value;
  }

  async slots(name: string): Promise<Tensor[] | undefined> {
    const cell = this.#cell(name);
    const { slots } = cell;
    this.#count(slots, -1);
    cell.slots = undefined;
    return slots && [...slots];
  }

  async keepSlots(name: string, slots: readonly Tensor[]): Promise<void> {
    this.#cell(name).slots = slots;
    this.#count(slots, 1);
  }

  #count(slots: readonly Tensor[] = [], sign: 1 | -1): void {
    for (const slot of slots) this.#meter.add("optimizer", sign * tensorBytes(slot));
  }

  dispose(): void {
    for (const { value, slots = [] } of this.#cells.values()) {
      this.#meter.add("params", -tensorBytes(value));
      this.#count(slots, -1);
      tf.dispose([value, ...slots]);
    }
  }
}

/** A store that holds each parameter as dealt, and its optimizer state. Every tensor is counted by `meter`. */
export const localStore = (dealt: readonly Dealt[], meter: Meter): ParamStore & { dispose(): void } =>
  new LocalStore(dealt, meter);

/** Puts `layer` around `inner`: what it leaves out goes to `inner`. */
export function layered(inner: ParamStore, layer: StoreLayer): ParamStore {
  return {
    acquire: (names, at) => (layer.acquire ? layer.acquire(names, at) : inner.acquire(names, at)),
    release: (names) => (layer.release ? layer.release(names) : inner.release(names)),
    owned: () => (layer.owned ? layer.owned() : inner.owned()),
    piece: (name) => (layer.piece ? layer.piece(name) : inner.piece(name)),
    update: (name, value) => (layer.update ? layer.update(name, value) : inner.update(name, value)),
    slots: (name) => (layer.slots ? layer.slots(name) : inner.slots(name)),
    keepSlots: (name, slots) => (layer.keepSlots ? layer.keepSlots(name, slots) : inner.keepSlots(name, slots)),
  };
}
