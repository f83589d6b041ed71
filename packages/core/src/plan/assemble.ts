// Whole parameters from the pieces that ranks own. The inverse of dealing them.

import { elements } from "../model/segment.ts";
import { eachKept, type ParamSpec, pieceOf } from "../params/params.ts";
import type { Plan } from "./plan.ts";
import type { RankPlan } from "./ranks.ts";

/** A rank that has pieces, and of which parameters. */
type Holder = Pick<RankPlan, "rank" | "coords" | "params">;

/** `pieces[rank]`: the values that rank keeps, by parameter name. Copies of one element are the same: the last wins. */
export function assemble(
  { specs, ranks, mesh }: Pick<Plan, "specs" | "mesh"> & { readonly ranks: readonly Holder[] },
  pieces: readonly ReadonlyMap<string, Float32Array>[],
): Map<string, Float32Array> {
  const whole = new Map(specs.map((spec) => [spec.name, new Float32Array(elements(spec.shape))]));
  for (const { rank, coords, params } of ranks)
    for (const spec of params) {
      const from = pieces[rank]!.get(spec.name)!;
      const to = whole.get(spec.name)!;
      eachKept(pieceOf(spec), mesh, coords, (i, g) => {
        to[g] = from[i]!;
      });
    }
  return whole;
}

/** The ranks whose pieces make a whole parameter; of ranks that have the same piece, the first. */
export function holdersOf(spec: ParamSpec, { ranks }: Pick<Plan, "ranks">): Holder[] {
  const cuts = Object.keys(pieceOf(spec).split);
  const firsts = new Map<string, Holder>();
  for (const { rank, coords, params } of ranks) {
    const place = cuts.map((axis) => coords[axis] ?? 0).join();
    if (params.includes(spec) && !firsts.has(place)) firsts.set(place, { rank, coords, params: [spec] });
  }
  return [...firsts.values()];
}
