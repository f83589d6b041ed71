// The innermost store under offload: values or optimizer state rest in host memory or on disk; what does not rest there stays on
// the device (Ren et al.: ZeRO-Offload, ATC 2021; Rajbhandari et al.: ZeRO-Infinity, SC 2021).
import {
  type BaseStore,
  type Dealt,
  type Kind,
  localStore,
  type Moment,
  type ParamSpec,
  type ParamStore,
  pieceOf,
  type RankView,
} from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Place, Settings } from "../options.ts";
import { type Bucket, restingBuckets } from "./buckets.ts";
import { diskRest, hostRest, type Rest } from "./rest.ts";
import { Stream } from "./stream.ts";

type Streams = Readonly<Partial<Record<"params" | "optimizer", Stream>>>;

/** Shape of the optimizer state of a piece. */
const pieceShape = ({ spec, shape }: Dealt, elements: number): number[] =>
  Object.values(pieceOf(spec).split).includes("flat") ? [elements] : [...shape];

class Offloaded implements ParamStore {
  /** What stays on the device; of what does not, an empty value. */
  readonly #local: ParamStore & { dispose(): void };
  readonly #streams: Streams;
  readonly #slotShapes: ReadonlyMap<string, number[]>;
  readonly #slots: number;
  readonly #lent = new Map<string, Tensor[]>();

  constructor(dealt: readonly Dealt[], { meter, piece, slots }: RankView, streams: Streams) {
    this.#streams = streams;
    this.#slots = slots;
    this.#slotShapes = new Map(dealt.map((d) => [d.spec.name, pieceShape(d, piece(d.spec))]));
    const empty = ({ spec, shape }: Dealt): Dealt => ({ spec, shape, values: new Float32Array(0) });
    this.#local = localStore(
      dealt.map((d) => (this.#away(d.spec.name) ? empty(d) : d)),
      meter,
    );
  }

  #away = (name: string): boolean => this.#streams.params?.has(name) ?? false;

  owned = (): readonly ParamSpec[] => this.#local.owned();

  acquire = (names: readonly string[], at: Moment): Promise<Tensor[]> =>
    Promise.all(
      names.map(async (name) => (this.#away(name) ? this.#lend(name) : (await this.#local.acquire([name], at))[0]!)),
    );

  async #lend(name: string): Promise<Tensor> {
    const value = tf.tensor1d(await this.#streams.params!.read(name));
    this.#lent.set(name, [...(this.#lent.get(name) ?? []), value]);
    return value;
  }

  release(names: readonly string[]): void {
    for (const name of names) this.#lent.get(name)?.shift()?.dispose();
  }

  async piece(name: string): Promise<Tensor> {
    return this.#away(name) ? tf.tensor1d(await this.#streams.params!.take(name)) : this.#local.piece(name);
  }

  async update(name: string, value: Tensor): Promise<void> {
    if (!this.#away(name)) return this.#local.update(name, value);
    await this.#streams.params!.put(name, await read([value]));
  }

  async slots(name: string): Promise<Tensor[] | undefined> {
    const { optimizer } = this.#streams;
    if (!optimizer?.has(name)) return this.#local.slots(name);
    const values = await optimizer.take(name);
    const size = values.length / this.#slots;
    const shape = this.#slotShapes.get(name)!;
    return Array.from({ length: this.#slots }, (_, i) => tf.tensor(values.slice(i * size, (i + 1) * size), shape));
  }

  async keepSlots(name: string, slots: readonly Tensor[]): Promise<void> {
    const { optimizer } = this.#streams;
    if (!optimizer?.has(name)) return this.#local.keepSlots(name, slots);
    await optimizer.put(name, await read(slots));
  }

  async endStep(): Promise<void> {
    await Promise.all(Object.values(this.#streams).map((stream) => stream.flush()));
  }

  dispose(): void {
    for (const stream of Object.values(this.#streams)) stream.dispose();
    tf.dispose([...this.#lent.values()].flat());
    this.#local.dispose();
  }
}

/** The values of tensors, one after the other. Takes ownership. */
async function read(tensors: readonly Tensor[]): Promise<Float32Array> {
  const values = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const tensor of tensors) {
    values.set((await tensor.data()) as Float32Array, at);
    at += tensor.size;
    tensor.dispose();
  }
  return values;
}

/** Opens a place and puts first values there, a bucket at a time: what has no room fails here. */
async function fill(rest: Rest, buckets: readonly Bucket[], first: (name: string) => Float32Array | undefined) {
  for (const { at, elements, parts } of buckets) {
    const values = new Float32Array(elements);
    for (const part of parts) values.set(first(part.name) ?? [], part.at - at);
    await rest.write(at, values);
  }
}

/** Opens the store of a rank. Throws where a place cannot be written, or has no room; nothing is left there then. */
export async function offloaded(dealt: readonly Dealt[], rank: RankView, settings: Settings): Promise<BaseStore> {
  const { params, optimizer, folder } = settings.offload;
  const specs = dealt.map(({ spec }) => spec);
  const byName = new Map(dealt.map((d) => [d.spec.name, d]));
  const buckets = restingBuckets(specs, rank, settings);
  const streams: Partial<Record<"params" | "optimizer", Stream>> = {};
  const open = async (kind: Kind & keyof Streams, place: Place | undefined) => {
    if (!place || !buckets[kind].length) return;
    const size = buckets[kind].reduce((sum, { elements }) => sum + elements, 0);
    const rest = place === "host" ? hostRest(size) : await diskRest(`rank-${rank.rank}-${kind}`, folder);
    streams[kind] = new Stream({ rest, buckets: buckets[kind], meter: rank.meter, kind });
    await fill(rest, buckets[kind], (name) => (kind === "params" ? byName.get(name)!.values : undefined));
  };
  try {
    await open("params", params);
    await open("optimizer", optimizer);
    return new Offloaded(dealt, rank, streams);
  } catch (cause) {
    for (const stream of Object.values(streams)) stream.dispose();
    throw cause;
  }
}
