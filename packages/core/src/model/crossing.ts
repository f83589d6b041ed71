// Changes of placement along one mesh axis, each with the change that carries its gradient back: nobody writes a backward
// collective by hand. A crossing of your own is an object of this interface; core knows none by name.

import type { Tensor } from "@tensorflow/tfjs";
import { view } from "../devices/view.ts";
import { allToAll as exchanged, gatherDim, scatterSum, shift as shifted } from "../group/dims.ts";
import type { Group } from "../group/group.ts";
import type { Call } from "../group/price.ts";
import type { Dual, Placement } from "./placement.ts";
import { elements, type Shape } from "./segment.ts";

/** Change of a tensor's placement along an axis, from `From` to `To`, with what it does and what it sends. */
export interface Crossing<From extends Placement, To extends Placement> {
  readonly name: string;
  readonly from: From;
  readonly to: To;
  /** Moves `x`, which stays the caller's; the result is the caller's too. `at` names the call, the same on all members. */
  apply(group: Group, x: Tensor, at: string): Promise<Tensor>;
  /** The crossing of the gradient: `adjoint(a -> b) = dual(b) -> dual(a)`. */
  back(): Crossing<Dual[To], Dual[From]>;
  /** Shape of the result on one of `members`. */
  shape(x: Shape, members: number): Shape;
  /** What one member asks of its group for a tensor of shape `x`; `plan` prices it. */
  calls(x: Shape, members: number): readonly Call[];
}

/** I -> R: free in forward; sums the gradient over the members. */
export const enter: Crossing<"I", "R"> = {
  name: "enter",
  from: "I",
  to: "R",
  apply: async (_, x) => view(x),
  back: () => leave,
  shape: (x) => x,
  calls: () => [],
};

/** P -> I: sums over the members; free in backward. */
export const leave: Crossing<"P", "I"> = {
  name: "leave",
  from: "P",
  to: "I",
  apply: async (group, x, at) => (await group.allReduce([view(x)], at))[0]!,
  back: () => enter,
  shape: (x) => x,
  calls: (x) => [{ op: "allReduce", sizes: [elements(x)] }],
};

const resized = (x: Shape, dim: number, factor: number): Shape =>
  x.map((size, d) => (d === dim ? size * factor : size));

/** V -> R: joins the members' shards along `dim`; in backward each member gets the sum of its shard. */
export const gather = (dim: number): Crossing<"V", "R"> => ({
  name: `gather ${dim}`,
  from: "V",
  to: "R",
  apply: (group, x, at) => gatherDim(group, view(x), dim, at),
  back: () => scatter(dim),
  shape: (x, members) => resized(x, dim, members),
  calls: (x, members) => [{ op: "allGather", sizes: [elements(x) * members] }],
});

/** P -> V: sums over the members and leaves each its shard along `dim`, which the members must divide. */
export const scatter = (dim: number): Crossing<"P", "V"> => ({
  name: `scatter ${dim}`,
  from: "P",
  to: "V",
  apply: (group, x, at) => scatterSum(group, view(x), dim, at),
  back: () => gather(dim),
  shape: (x, members) => resized(x, dim, 1 / members),
  calls: (x) => [{ op: "reduceScatter", sizes: [elements(x)] }],
});

/** V -> V: each member gets the shard of the member `by` places before it, in a ring (Liu et al.: Ring attention, 2023). */
export const shift = (by: number): Crossing<"V", "V"> => ({
  name: `shift ${by}`,
  from: "V",
  to: "V",
  apply: (group, x, at) => shifted(group, view(x), by, at),
  back: () => shift(-by),
  shape: (x) => x,
  calls: (x, members) =>
    by % members === 0 ? [] : Array.from({ length: members }, () => ({ op: "send", sizes: [elements(x)] })),
});

/**
 * V -> V: cuts the shard along dim `split` into a piece for each member, and joins what comes along dim `join` (expert
 * parallelism: Lepikhin et al.: GShard, 2020; attention by heads: Jacobs et al.: DeepSpeed-Ulysses, 2023).
 */
export const allToAll = (split: number, join: number): Crossing<"V", "V"> => ({
  name: `all-to-all ${split} ${join}`,
  from: "V",
  to: "V",
  apply: (group, x, at) => exchanged(group, view(x), split, join, at),
  back: () => allToAll(join, split),
  shape: (x, members) => resized(resized(x, split, 1 / members), join, members),
  calls: (x) => [{ op: "exchange", sizes: [elements(x)] }],
});
