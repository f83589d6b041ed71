// Moves of one tensor that is cut along a dim, on top of any group: joined, summed and cut, passed round, cut along another
// dim. Each takes ownership of `x`, and hands it through in a group of one. A member sends (N-1)/N of what is whole for it;
// in `shift`, all that it has.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { elements, type Shape } from "../model/segment.ts";
import type { Group } from "./group.ts";
import { type Carried, checkTensors, reshaped, toTensor } from "./tensors.ts";
import { toBytes } from "./vectors.ts";

/** The shape with `size` along `dim`. */
const resized = (shape: Shape, dim: number, size: number): number[] => shape.map((n, d) => (d === dim ? size : n));

/** Swaps the first two dims of `x`, seen as `[first, second, rest]`; the result has `shape`. Disposes `x`. */
function swapped(x: Tensor, first: number, second: number, shape: Shape): Tensor {
  if (first === 1 || second === 1) return reshaped(x, shape);
  const rest = x.size / (first * second) || 0;
  const y = tf.tidy(() =>
    x
      .reshape([first, second, rest])
      .transpose([1, 0, 2])
      .reshape([...shape]),
  );
  x.dispose();
  return y;
}

/** Disposes `x` and throws where it does not divide into `size` pieces along `dim`. */
function checkCut({ axis, size }: Group, x: Tensor, dim: number): void {
  const length = x.shape[dim];
  if (length !== undefined && length % size === 0) return;
  x.dispose();
  const why = length === undefined ? "there is no such dim" : `${length} / ${size} is not whole`;
  throw new Error(`${axis} ${size} does not cut dim ${dim} of [${x.shape.join(", ")}]: ${why}`);
}

/** `size` pieces along `dim`, one after the other in one vector. */
const pieces = (x: Tensor, size: number, dim: number): Tensor =>
  swapped(x, elements(x.shape.slice(0, dim)), size, [x.size]);

/** `size` pieces of `shape`, one after the other, joined along `dim`: the inverse. */
const joined = (x: Tensor, size: number, shape: Shape, dim: number): Tensor =>
  swapped(x, size, elements(shape.slice(0, dim)), resized(shape, dim, size * shape[dim]!));

/** Joins the members' shards, all of one shape, along `dim`. */
export async function gatherDim(group: Group, x: Tensor, dim: number, at: string): Promise<Tensor> {
  if (group.size === 1) return x;
  const { shape, size } = x;
  const [all] = await group.allGather([reshaped(x, [size])], [[group.size * size]], at);
  return joined(all!, group.size, shape, dim);
}

/** Sums over the members and keeps this member's shard along `dim`, which the group's size must divide. */
export async function scatterSum(group: Group, x: Tensor, dim: number, at: string): Promise<Tensor> {
  if (group.size === 1) return x;
  checkCut(group, x, dim);
  const shape = resized(x.shape, dim, x.shape[dim]! / group.size);
  const [mine] = await group.reduceScatter([pieces(x, group.size, dim)], at);
  return reshaped(mine!, shape);
}

/** Passes tensors round: sends to the member `by` places on, receives from the one `by` places back, cyclically. */
export async function shift(group: Group, x: Tensor, by: number, at: string): Promise<Tensor> {
  const { rank, size } = group;
  const place = (steps: number): number => (((rank + steps) % size) + size) % size;
  if (place(by) === rank) return x;
  const [, y] = await Promise.all([group.send(place(by), x, at), group.recv(place(-by), at)]);
  return y;
}

/**
 * Cuts along `split` into a piece for each member and joins what comes along `join`: a tensor cut along `join` becomes one cut
 * along `split`. The group's size must divide dim `split`.
 */
export async function allToAll(group: Group, x: Tensor, split: number, join: number, at: string): Promise<Tensor> {
  const { size, axis } = group;
  if (size === 1) return x;
  checkTensors(`${axis} all-to-all ${at}`, [x]);
  checkCut(group, x, split);
  const { dtype } = x;
  const shape = resized(x.shape, split, x.shape[split]! / size);
  const vector = pieces(x, size, split);
  const bytes = toBytes((await vector.data()) as Carried);
  vector.dispose();
  const each = bytes.length / size;
  const parts = Array.from({ length: size }, (_, i) => bytes.subarray(i * each, (i + 1) * each));
  const whole = new Uint8Array(bytes.length);
  for (const [i, part] of (await group.exchange(parts, at)).entries()) whole.set(part, i * each);
  return joined(toTensor(viewed(whole, dtype), [elements(shape) * size]), size, shape, join);
}

/** The bytes as numbers of a tensor's dtype. */
function viewed({ buffer }: Uint8Array<ArrayBuffer>, dtype: tf.DataType): Carried {
  if (dtype === "float32") return new Float32Array(buffer);
  return dtype === "int32" ? new Int32Array(buffer) : new Uint8Array(buffer);
}
