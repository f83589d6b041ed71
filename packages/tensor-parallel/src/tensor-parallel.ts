// Tensor parallelism (Shoeybi et al.: Megatron-LM, 2019): attention by heads, the MLP by hidden units. A weight whose
// output is cut is split by columns, one whose input is cut by rows; the layers' `enter` and `leave` do the rest.
import { type CostInput, crossingCalls, microsOf, type ParamSpec, type Strategy } from "@orthant/core";

/** Parameters whose name is `ends`, or ends in it after a dot, are cut along `dim`. */
export interface Rule {
  readonly ends: string;
  readonly dim: number;
}

/**
 * Cuts for @orthant/nn's layers: query, key and value [D, H, K] by heads, their biases [H, K] and out [H, K, D] too; gate and up
 * [D, F], down [F, D]. Heads of keys and values that are fewer than those of queries are cut as they are: members must divide them.
 */
export const rules: readonly Rule[] = [
  { ends: "attn.query", dim: 1 },
  { ends: "attn.key", dim: 1 },
  { ends: "attn.value", dim: 1 },
  { ends: "attn.out", dim: 0 },
  { ends: "attn.queryBias", dim: 0 },
  { ends: "attn.keyBias", dim: 0 },
  { ends: "attn.valueBias", dim: 0 },
  { ends: "mlp.gate", dim: 1 },
  { ends: "mlp.up", dim: 1 },
  { ends: "mlp.upBias", dim: 0 },
  { ends: "mlp.down", dim: 0 },
];

/** What `tensorParallel` is given. */
export interface TensorParallelOptions {
  /** Replaces the built-in rules, for layers of your own. */
  readonly rules?: readonly Rule[];
  /** The mesh axis that the model's layers cross over; "tp" by default. */
  readonly axis?: string;
}

/** Strategy that cuts parameters along one mesh axis, as the rules say. Its members share samples and stages. */
export function tensorParallel({ rules: given = rules, axis = "tp" }: TensorParallelOptions = {}): Strategy {
  const split = (param: ParamSpec): ParamSpec => {
    const rule = given.find(({ ends }) => param.uses.some(({ name }) => `.${name}`.endsWith(`.${ends}`)));
    return rule ? { ...param, split: { ...param.split, [axis]: rule.dim } } : param;
  };
  return { name: "tensorParallel", axis, split, cost: (input) => cost(input, axis) };
}

/** Prices every crossing of the layers along the axis, forward and backward, in each micro. */
const cost = ({ model, schedule }: CostInput, axis: string) => ({
  calls: crossingCalls(model, axis).map((call) => ({ ...call, times: microsOf(schedule) })),
});
