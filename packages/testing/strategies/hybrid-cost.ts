// What hybrid sharding asks of its groups and holds: reductions, and the gathers of a store that keeps chunks.
import { type CostInput, elements, type HeldInput, type ParamSpec, type PlannedCall } from "@orthant/core";

/** Reduces each parameter once a step. */
export const reductions = (input: CostInput, op: "reduceScatter" | "allReduce"): PlannedCall[] =>
  input.reductions.map((params) => ({ op, sizes: params.map((spec) => elements(input.gradShape(spec))) }));

const unshards = ({ schedule }: CostInput): boolean => schedule.flat().some(({ op }) => op === "UNSHARD");

/** Gathers a stage where the schedule says so, else what each segment takes, and what its backward reads again. */
export function gathers(input: CostInput): PlannedCall[] {
  const stages = input.stages.map((layers) => layers.flatMap((layer) => input.model.layers[layer]!.params));
  const acquired = input.acquires.flat().map(({ params }) => params);
  return (unshards(input) ? stages : acquired).map((params) => ({ op: "allGather", sizes: sizesOf(input, params) }));
}

/** The most elements that are gathered at once. */
export function gathered(input: CostInput, { params, acquires }: HeldInput): number {
  const most = (list: readonly ParamSpec[]) => sizesOf(input, list).reduce((sum, size) => sum + size, 0);
  return unshards(input) ? most(params) : Math.max(0, ...acquires.map((acquire) => most(acquire.params)));
}

const sizesOf = ({ valueShape }: CostInput, params: readonly ParamSpec[]): number[] =>
  [...new Set(params)].map((spec) => elements(valueShape(spec)));
