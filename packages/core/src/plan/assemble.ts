// Whole parameters from the pieces that ranks own. The inverse of dealing them.

import { elements } from "../model/segment.ts";
import { eachKept, pieceOf } from "../params/params.ts";
import type { Plan } from "./plan.ts";

/** `pieces[rank]`: the values that rank keeps, by parameter name. Copies of one element are the same: the last wins. */
export function assemble(
  { specs, ranks, mesh }: Plan,
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
