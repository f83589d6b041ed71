// The order of a backward on one rank: when the last use of each parameter has added its gradient, and which gradients are
// then reduced together. What `params/gradients.ts` does with tensors, worked out before there are any. Pure.
import type { ParamSpec } from "../params/params.ts";
import type { Action } from "../schedule/schedule.ts";
import type { Acquire, ModelShape, SegmentUse, Strategy } from "./strategy.ts";

interface Walk {
  readonly model: ModelShape;
  readonly stages: readonly (readonly number[])[];
}

/** The largest bucket that a strategy asks for; 0 where gradients are reduced segment by segment. */
export const bucketBytesOf = (strategies: readonly Strategy[]): number =>
  Math.max(0, ...strategies.map(({ bucketBytes = 0 }) => bucketBytes));

const segmentsOf = ({ model, stages }: Walk, stage: number): readonly SegmentUse[] =>
  stages[stage]!.flatMap((layer) => model.layers[layer]!.segments);

const trained = ({ params }: SegmentUse): ParamSpec[] => params.filter(({ frozen }) => !frozen);

/** How often one step adds to the gradient of each trained parameter, on a rank that performs `actions`. */
export function additionsOf(walk: Walk, actions: readonly Action[]): Map<string, number> {
  const additions = new Map<string, number>();
  for (const { stage } of actions.filter(({ op }) => op === "F"))
    for (const { name } of segmentsOf(walk, stage).flatMap(trained))
      additions.set(name, (additions.get(name) ?? 0) + 1);
  return additions;
}

/** What happens to gradients in a backward, in order. */
export type GradientEvent =
  | { readonly kind: "add"; readonly uses: readonly string[] }
  | { readonly kind: "reduce"; readonly params: readonly ParamSpec[] };

/**
 * Follows the gradients of one step: each segment's additions, and each bucket once it is complete. `bytes` are those of a
 * parameter's gradient as it is summed.
 */
export function gradientEvents(
  walk: Walk,
  actions: readonly Action[],
  bucketBytes: number,
  bytes: (spec: ParamSpec) => number,
): GradientEvent[] {
  const left = additionsOf(walk, actions);
  const halves = new Set(actions.filter(({ op }) => op === "W").map(({ stage }) => stage));
  const events: GradientEvent[] = [];
  let bucket: ParamSpec[] = [];
  const flush = () => {
    if (bucket.length) events.push({ kind: "reduce", params: bucket });
    bucket = [];
  };
  for (const { op, stage } of actions) {
    if (op === "REDUCE_GRAD") flush();
    if (op !== (halves.has(stage) ? "W" : "B")) continue;
    for (const segment of segmentsOf(walk, stage).toReversed()) {
      const params = trained(segment);
      const uses = segment.uses.filter((_, i) => !segment.params[i]!.frozen);
      if (params.length) events.push({ kind: "add", uses });
      for (const { name } of params) left.set(name, left.get(name)! - 1);
      bucket.push(...[...new Set(params)].filter(({ name }) => left.get(name) === 0));
      if (bucket.reduce((sum, spec) => sum + bytes(spec), 0) >= bucketBytes) flush();
    }
  }
  return events;
}

/** What `gradientEvents` comes to in bytes: the most that sums and reduced pieces are together. */
export function peakOfGradients(
  events: readonly GradientEvent[],
  bytes: { readonly sum: (spec: ParamSpec) => number; readonly piece: (spec: ParamSpec) => number },
  specs: ReadonlyMap<string, ParamSpec>,
): number {
  const summed = new Set<string>();
  let [held, peak] = [0, 0];
  for (const event of events) {
    if (event.kind === "add") {
      for (const use of event.uses.filter((name) => !summed.has(name))) held += bytes.sum(specs.get(use)!);
      for (const use of event.uses) summed.add(use);
    } else
      for (const spec of event.params)
        held += bytes.piece(spec) - bytes.sum(spec) * spec.uses.filter(({ name }) => summed.has(name)).length;
    peak = Math.max(peak, held);
  }
  return peak;
}

/** Every `acquire` of one step of a rank that performs `actions`, in order. */
export function acquiresOf(walk: Walk, actions: readonly Action[]): Acquire[] {
  return actions.flatMap(({ op, stage, micro = 0 }): Acquire[] => {
    if (op !== "F" && op !== "B" && op !== "W") return [];
    const segments = segmentsOf(walk, stage);
    const lists =
      op === "F"
        ? segments.map(({ params }) => params)
        : segments
            .filter((segment) => op === "B" || trained(segment).length > 0)
            .map(({ reread }) => reread)
            .toReversed();
    return lists.filter((params) => params.length > 0).map((params) => ({ stage, micro, op, params }));
  });
}
