// What each rank does and holds: its stages, its parameters, its bytes at their peak. Pure.
import { axisSize, type Coords, coordsOf, type Mesh, meshSize, showCoords } from "../mesh.ts";
import type { HeldBytes } from "../meter.ts";
import { elements } from "../model/segment.ts";
import { keptSize, localShape, type ParamSpec, shapeAfter } from "../params/params.ts";
import { rankOfStage, type Schedule } from "../schedule/schedule.ts";
import type { Simulation } from "../schedule/simulate.ts";
import type { JobOptions } from "./options.ts";
import { type Roles, stageAxis } from "./roles.ts";
import { usedBy, usesIn } from "./specs.ts";
import type { Cost, ModelShape } from "./strategy.ts";

/** What one rank does and holds. */
export interface RankPlan {
  readonly rank: number;
  readonly coords: Coords;
  /** Indices of the stages it runs. */
  readonly stages: readonly number[];
  /** Its parameters, in the model's order. */
  readonly params: readonly ParamSpec[];
  /** Bytes it will hold, each kind at its peak. */
  readonly bytes: HeldBytes;
  /** Floating-point operations of its forwards in one step. */
  readonly flops: number;
}

/** What is decided before the ranks are dealt. */
interface Decided {
  readonly mesh: Mesh;
  readonly roles: Roles;
  readonly micros: number;
  readonly specs: readonly ParamSpec[];
  readonly model: ModelShape;
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
  readonly simulation: Simulation;
}

/** `rank 5 (pp 1, dp 0, tp 1)`: for messages. */
export const showRank = ({ rank, coords }: Pick<RankPlan, "rank" | "coords">): string =>
  Object.keys(coords).length ? `rank ${rank} (${showCoords(coords)})` : `rank ${rank}`;

/** Deals stages and parameters to every rank of the mesh. */
export const dealRanks = (plan: Decided, options: JobOptions, costs: readonly (Cost | undefined)[]): RankPlan[] =>
  Array.from({ length: meshSize(plan.mesh) }, (_, rank) => dealRank(plan, rank, options, costs));

function dealRank(plan: Decided, rank: number, options: JobOptions, costs: readonly (Cost | undefined)[]): RankPlan {
  const { mesh, stages, schedule, specs, model, roles } = plan;
  const coords = coordsOf(mesh, rank);
  const place = stageAxis(roles, coords);
  const mine = stages.map((_, s) => s).filter((s) => rankOfStage(schedule, s) === place);
  const layers = mine.flatMap((s) => stages[s]!);
  const params = usedBy(specs, layers);
  const { slots } = options.optimizer;
  const base = bytesOfRank(plan, { coords, params, layers, mine, slots });
  const bytes = costs.reduce<HeldBytes>(
    (sum, cost) => added(sum, cost?.held?.({ params, slots, kept: (spec) => keptSize(spec, mesh, coords) }) ?? {}),
    base,
  );
  const flops = plan.micros * sum(layers, (i) => model.layers[i]!.flops);
  return { rank, coords, stages: mine, params, bytes, flops };
}

const added = (a: HeldBytes, b: Partial<HeldBytes>): HeldBytes => ({
  params: a.params + (b.params ?? 0),
  grads: a.grads + (b.grads ?? 0),
  optimizer: a.optimizer + (b.optimizer ?? 0),
  activations: a.activations + (b.activations ?? 0),
});

interface Share {
  readonly coords: Coords;
  readonly params: readonly ParamSpec[];
  readonly layers: readonly number[];
  readonly mine: readonly number[];
  readonly slots: number;
}

function bytesOfRank(plan: Decided, { coords, params, layers, mine, slots }: Share): HeldBytes {
  const { mesh, model, schedule, simulation, roles } = plan;
  const trained = params.filter(({ frozen }) => !frozen);
  const keptOf = (list: readonly ParamSpec[]) => sum(list, (spec) => keptSize(spec, mesh, coords));
  const size = (spec: ParamSpec) => elements(localShape(spec, mesh));
  const [kept, whole] = [keptOf(params), sum(params, size)];
  const segment = kept === whole ? 0 : Math.max(...layers.map((i) => model.layers[i]!.widest));
  const gatheredOf = (list: readonly ParamSpec[]) => sum(list, (spec) => gatheredElements(spec, mesh, coords));
  const segments = layers.flatMap((i) => model.layers[i]!.segments.map((use) => gatheredOf(use.params)));
  const gathered = unshards(schedule) ? gatheredOf(params) : Math.max(0, ...segments);
  const summed = sum(trained, (spec) => size(spec) * usesIn(spec, layers).length);
  const live = sum(mine, (s) => heldByStage(plan, s, simulation.peak[stageAxis(roles, coords)]!));
  return {
    params: 4 * (kept + gathered),
    grads: 4 * (plan.micros === 1 ? Math.min(summed, keptOf(trained) + segment) : summed),
    optimizer: 4 * slots * keptOf(trained),
    activations: 4 * live,
  };
}

/** Elements that a rank gathers to have a parameter whole, level by level: a flat cut of a flat cut is gathered first. */
function gatheredElements(spec: ParamSpec, mesh: Mesh, coords: Coords): number {
  const flat = Object.keys(spec.split).filter((axis) => spec.split[axis] === "flat" && axisSize(mesh, axis) > 1);
  return sum(flat, (axis) => elements(shapeAfter(spec, mesh, coords, flat.slice(0, flat.indexOf(axis)))));
}

/** Elements of activations that a stage holds at its worst: in the forward of the last of `micros` live ones. */
function heldByStage({ model, stages }: Decided, stage: number, micros: number): number {
  const layers = stages[stage]!.map((i) => model.layers[i]!);
  const input = stage === 0 ? 0 : model.layers[stages[stage]![0]! - 1]!.out;
  let soFar = input;
  let peak = 0;
  for (const layer of layers) {
    peak = Math.max(peak, soFar + layer.peak);
    soFar += layer.kept;
  }
  return (micros - 1) * soFar + Math.max(peak, soFar);
}

/** Whether stages stay whole for a step; else a sharded rank gathers one segment at a time. */
const unshards = (schedule: Schedule): boolean => schedule.flat().some(({ op }) => op === "UNSHARD");

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
