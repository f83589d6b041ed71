// What the plan says of one rank's stages, in the form that its steps use.
import type { Tensor } from "@tensorflow/tfjs";
import { uniform } from "../devices/kernels/uniform.ts";
import type { Coords } from "../mesh.ts";
import type { AnyModel } from "../model/model.ts";
import { counted } from "../params/draw.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { usedBy } from "../plan/specs.ts";
import type { Action } from "../schedule/schedule.ts";
import type { StageContext } from "./execute.ts";
import { firstSample, type MicroAt } from "./samples.ts";

/** Every stage of the pipeline; `actions` are those of the rank that asks. */
export function stagesOfRank(model: AnyModel, plan: Plan, actions: readonly Action[]): StageContext[] {
  const paramsOf = (stage: number) => usedBy(plan.specs, plan.stages[stage]!).map(({ name }) => name);
  const reduced = actions.filter(({ op }) => op === "REDUCE_GRAD").map(({ stage }) => stage);
  const mine = [...new Set(reduced.flatMap(paramsOf))];
  return plan.stages.map((layers, stage) => ({
    layers: layers.map((i) => model.layers[i]!),
    params: paramsOf(stage),
    // A tied gradient comes from a rank that may wait for what this one sends after an earlier REDUCE_GRAD.
    awaited: stage === reduced.at(-1) ? mine : [],
    halves: actions.some((action) => action.op === "W" && action.stage === stage),
  }));
}

/** The random numbers of one micro, as its tape asks for them. */
export function uniformOf({ seed = 0 }: JobOptions, plan: Plan, coords: Coords, at: MicroAt) {
  const { mesh, microSize: samples, roles } = plan;
  const divided = Object.fromEntries(Object.entries(roles.dims).map(([axis, dim]) => [axis, dim + 1]));
  const first = firstSample(plan, coords, at);
  return (name: string, { shape }: Tensor, cuts: Readonly<Record<string, number>>): Tensor =>
    uniform({}, counted({ seed, name, first, samples, shape, cuts: { ...divided, ...cuts }, mesh, coords }));
}
