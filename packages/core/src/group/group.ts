// A mesh axis's view of a endpoint: it speaks tensors. The collectives are those of `collectives.ts`; here tensors
// become vectors and back, and a group of one does nothing.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { copiesVectors, readTensors } from "../devices/read.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import * as wire from "./collectives.ts";
import { chunksOf } from "./slices.ts";

const read = async (x: Tensor) => (await x.data()) as Float32Array;

/** Buffers to send from and receive into, to be used again: the first touch of fresh pages costs as much as the copy into
 * them. Only where the device copies vectors. */
class Spare {
  readonly #free = new Map<number, Float32Array[]>();

  /** Neighbours of `sizes` elements. */
  take(sizes: readonly number[]): Float32Array[] {
    const length = sizes.reduce((sum, size) => sum + size, 0);
    return wire.cut(this.#free.get(length)?.pop() ?? new Float32Array(length), sizes);
  }

  /** Takes back what `take` gave. */
  give(vectors: readonly Float32Array[]): void {
    if (!copiesVectors()) return;
    const whole = wire.concat(vectors);
    this.#free.set(whole.length, [...(this.#free.get(whole.length) ?? []), whole]);
  }
}

export class Group {
  readonly axis: string;
  /** My position on the axis. */
  readonly rank: number;
  readonly size: number;
  readonly #members: wire.Members;
  readonly #spare = new Spare();

  /** `ranks` are the endpoint's, in the order of the axis; the endpoint's own is one of them. */
  constructor(axis: string, endpoint: Endpoint, ranks: readonly number[]) {
    this.axis = axis;
    this.rank = ranks.indexOf(endpoint.rank);
    this.size = ranks.length;
    this.#members = { endpoint, ranks, at: this.rank };
  }

  /** Sum over the members, in rank order. Any shape, float32. `at` names the call, the same on every member. */
  async allReduce(x: Tensor, at: string): Promise<Tensor> {
    if (this.size === 1) return x.clone();
    const [total] = await wire.allReduce(this.#members, [await read(x)], `${this.axis}.all-reduce ${at}`);
    return tf.tensor(total!, x.shape);
  }

  /** The members' shards joined along `dim`. */
  async allGather(x: Tensor, dim: number, at: string): Promise<Tensor> {
    if (this.size === 1) return x.clone();
    const shards = await wire.gather(this.#members, await read(x), `${this.axis}.all-gather ${at}`);
    return tf.tidy(() =>
      tf.concat(
        shards.map((shard) => tf.tensor(shard, x.shape)),
        dim,
      ),
    );
  }

  /** My shard, cut along `dim`, of the sum over the members. `size` must divide the dim. */
  async reduceScatter(x: Tensor, dim: number, at: string): Promise<Tensor> {
    if (this.size === 1) return x.clone();
    const shards = tf.tidy(() => tf.split(x, this.size, dim));
    const vectors = [wire.concat(await Promise.all(shards.map(read)))];
    const shape = shards[0]!.shape;
    tf.dispose(shards);
    const [mine] = await wire.reduceScatter(this.#members, vectors, `${this.axis}.reduce-scatter ${at}`);
    return tf.tensor(mine!, shape);
  }

  /** Sums of several tensors in one exchange. Takes ownership of `xs`. */
  async allReduceAll(xs: readonly Tensor[], at: string): Promise<Tensor[]> {
    if (this.size === 1) return [...xs];
    const vectors = await this.#take(xs);
    const into = this.#spare.take(xs.map((x) => x.size));
    const totals = await wire.allReduce(this.#members, vectors, `${this.axis}.all-reduce ${at}`, into);
    const tensors = totals.map((total, i) => tf.tensor(total, xs[i]!.shape));
    this.#spare.give(vectors);
    this.#spare.give(into);
    return tensors;
  }

  /** My chunk (`chunk` of params.ts) of the sum of each, as a vector, in one exchange. Takes ownership of `xs`. */
  async reduceScatterAll(xs: readonly Tensor[], at: string): Promise<Tensor[]> {
    if (this.size === 1) return xs.map((x) => flattened(x));
    const vectors = await this.#take(xs);
    const sizes = chunksOf(vectors, this.size, this.rank).map(({ length }) => length);
    const into = this.#spare.take(sizes);
    const mine = await wire.reduceScatter(this.#members, vectors, `${this.axis}.reduce-scatter ${at}`, into);
    const tensors = mine.map((part) => tf.tensor1d(part));
    this.#spare.give(vectors);
    this.#spare.give(into);
    return tensors;
  }

  /** Whole tensors of `shapes` from everyone's chunk of each, in one exchange. */
  async allGatherAll(chunks: readonly Tensor[], shapes: readonly (readonly number[])[], at: string): Promise<Tensor[]> {
    if (this.size === 1) return chunks.map((part, i) => part.reshape([...shapes[i]!]));
    const sizes = shapes.map((shape) => tf.util.sizeFromShape([...shape]));
    const vectors = await readTensors(chunks, (sizes) => this.#spare.take(sizes));
    const into = this.#spare.take(sizes);
    const wholes = await wire.allGather(this.#members, vectors, sizes, `${this.axis}.all-gather ${at}`, into);
    const tensors = wholes.map((whole, i) => tf.tensor(whole, [...shapes[i]!]));
    this.#spare.give(vectors);
    this.#spare.give(into);
    return tensors;
  }

  /** Sends a tensor to one member. */
  async send(to: number, x: Tensor, at: string): Promise<void> {
    const { endpoint, ranks } = this.#members;
    await endpoint.send([ranks[to]!], `${this.axis}.send ${at}`, wire.toFrame(await read(x), x.shape));
  }

  /** The tensor that `from` sent under the same name. */
  async recv(from: number, at: string): Promise<Tensor> {
    const { endpoint, ranks } = this.#members;
    const frame = await endpoint.recv(ranks[from]!, `${this.axis}.send ${at}`);
    return tf.tensor(wire.toVector(frame), [...frame.shape]);
  }

  async #take(xs: readonly Tensor[]): Promise<Float32Array[]> {
    const vectors = await readTensors(xs, (sizes) => this.#spare.take(sizes));
    tf.dispose([...xs]);
    return vectors;
  }
}

function flattened(x: Tensor): Tensor {
  const flat = x.flatten();
  x.dispose();
  return flat;
}
