// What hybrid sharding asks of its groups: reductions, and the gathers of a store that keeps chunks.
import { type CostInput, elements, type ParamSpec, type PlannedCall } from "@orthant/core";

const sizesOf = ({ localShape }: CostInput, params: readonly ParamSpec[]): number[] =>
  params.map((spec) => elements(localShape(spec)));

/** Reduces each parameter once a step. */
export const reductions = (input: CostInput, op: "reduceScatter" | "allReduce"): PlannedCall[] =>
  input.reductions.map((params) => ({ op, sizes: sizesOf(input, params) }));

/** Gathers a stage where the schedule says so, else what each segment takes, and what its backward reads again. */
export function gathers(input: CostInput): PlannedCall[] {
  const actions = input.schedule.flat().filter(({ op }) => ["UNSHARD", "F", "B", "W"].includes(op));
  const whole = actions.filter(({ op }) => op === "UNSHARD");
  return (whole.length ? whole : actions).flatMap(({ op, stage }) => {
    const layers = input.stages[stage]!.map((layer) => input.model.layers[layer]!);
    const segments = layers.flatMap((layer) => layer.segments);
    if (op === "UNSHARD")
      return gather(
        input,
        layers.flatMap(({ params }) => params),
      );
    return segments.flatMap(({ params, reread }) => gather(input, op === "F" ? params : reread));
  });
}

const gather = (input: CostInput, params: readonly ParamSpec[]): PlannedCall[] =>
  params.length ? [{ op: "allGather", sizes: sizesOf(input, [...new Set(params)]) }] : [];
