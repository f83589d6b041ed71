// Expert parallelism: the members of an axis train on different samples and hold different experts; tokens go to their expert
// and back by all-to-all (Lepikhin et al.: GShard, 2020). The model says where they cross; this strategy cuts the experts and
// adds up the gradients of everything else. An example to copy.
import {
  type CostInput,
  crossingCalls,
  elements,
  microsOf,
  type ParamSpec,
  type PlannedCall,
  type Strategy,
} from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

export interface ExpertsOptions {
  /** The mesh axis whose members hold different experts; "ep" by default. */
  readonly axis?: string;
}

const isExpert = ({ uses }: ParamSpec): boolean => uses.some(({ name }) => /\.experts\.(up|down)$/.test(name));

/** Strategy of expert parallelism along one mesh axis: cuts parameters named `experts.up` and `experts.down` along dim 0. */
export const experts = ({ axis = "ep" }: ExpertsOptions = {}): Strategy => ({
  name: "experts",
  axis,
  divides: "batch",
  split: (param) => (isExpert(param) ? { ...param, split: { ...param.split, [axis]: 0 } } : param),
  store(inner, rank) {
    const cut = new Set(inner.owned().flatMap(({ name, split }) => (axis in split ? [name] : [])));
    return {
      async reduce(names, grads, at) {
        const shared = names.filter((name) => !cut.has(name));
        if (!shared.length) return [...grads]; // every token of an expert came here: its gradient is whole
        const mine = (name: string): Tensor => grads[names.indexOf(name)]!;
        const sums = await rank.group(axis).allReduce(shared.map(mine), `${at.key} ${shared[0]}`);
        return names.map((name) => sums[shared.indexOf(name)] ?? mine(name));
      },
    };
  },
  cost: (input) => ({ calls: [...crossings(input, axis), ...reductions(input, axis)] }),
});

const crossings = ({ model, schedule }: CostInput, axis: string): PlannedCall[] =>
  crossingCalls(model, axis).map((call) => ({ ...call, times: microsOf(schedule) }));

const reductions = ({ reductions, gradShape }: CostInput, axis: string): PlannedCall[] =>
  reductions.flatMap((params) => {
    const shared = params.filter(({ split }) => !(axis in split));
    return shared.length ? [{ op: "allReduce", sizes: shared.map((spec) => elements(gradShape(spec))) }] : [];
  });
