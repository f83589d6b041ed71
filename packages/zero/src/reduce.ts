// What all stages share: gradients of sharded parameters are reduce-scattered, the others all-reduced, and what a layer of the
// store is given.
import type { Group, Moment, ParamSpec, ParamStore, RankView } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

/** Whether the members of an axis own chunks of a parameter. */
export const isSharded = ({ split, shard = [] }: ParamSpec, axis: string): boolean =>
  split[axis] === "flat" || shard.includes(axis);

/** How gradients are reduced along an axis, and which parameters are sharded there. */
export interface Reducer {
  sharded(name: string): boolean;
  reduce(names: readonly string[], grads: readonly Tensor[], at: Moment): Promise<Tensor[]>;
}

export interface LayerOptions extends Reducer {
  readonly inner: ParamStore;
  readonly rank: RankView;
  readonly group: Group;
}

export function reducer(inner: ParamStore, group: Group): Reducer {
  const cut = new Set(inner.owned().flatMap((spec) => (isSharded(spec, group.axis) ? [spec.name] : [])));
  const sharded = (name: string): boolean => cut.has(name);
  return {
    sharded,
    async reduce(names, grads, at) {
      const run = (op: "reduceScatter" | "allReduce", wanted: boolean): Promise<Tensor[]> | Tensor[] => {
        const some = grads.filter((_, i) => sharded(names[i]!) === wanted);
        return some.length ? group[op](some, `${at.key} ${names[0]} ${wanted ? "chunks" : "whole"}`) : [];
      };
      const [chunks, wholes] = await Promise.all([run("reduceScatter", true), run("allReduce", false)]);
      return names.map((name) => (sharded(name) ? chunks : wholes).shift()!);
    },
  };
}
