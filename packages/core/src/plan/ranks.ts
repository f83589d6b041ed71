// What each rank does and holds: its stages, its parameters, its bytes at their peak. Pure.
import { type Coords, coordsOf, type Mesh, meshSize, showCoords } from "../mesh.ts";
import { type HeldBytes, showHeld, totalOf } from "../meter.ts";
import { elements } from "../model/segment.ts";
import { keptSize, localShape, type ParamSpec, pieceOf } from "../params/params.ts";
import { type Action, rankOfStage, type Schedule } from "../schedule/schedule.ts";
import type { Simulation } from "../schedule/simulate.ts";
import { acquiresOf, bucketBytesOf, gradientEvents, peakOfGradients } from "./backward.ts";
import type { JobOptions } from "./options.ts";
import { type Roles, stageAxis } from "./roles.ts";
import { specsByUse, usedBy } from "./specs.ts";
import type { Cost, HeldInput, ModelShape } from "./strategy.ts";
import { acquiresBy } from "./traffic.ts";

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

/** Refuses a plan whose fullest rank may hold more than `cap` bytes: all kinds at their peaks at once. */
export function checkCap(ranks: readonly RankPlan[], cap = Number.POSITIVE_INFINITY): void {
  const fullest = ranks.reduce((a, b) => (totalOf(b.bytes) > totalOf(a.bytes) ? b : a));
  if (totalOf(fullest.bytes) <= cap) return;
  throw new Error(
    `${showRank(fullest)} needs ${showHeld(fullest.bytes)} bytes, over capBytes ${cap}: use more ranks, a higher ZeRO stage, ` +
      "offload, smaller buckets or microbatches",
  );
}

function dealRank(plan: Decided, rank: number, options: JobOptions, costs: readonly (Cost | undefined)[]): RankPlan {
  const { mesh, stages, schedule, specs, model, roles, simulation } = plan;
  const coords = coordsOf(mesh, rank);
  const place = stageAxis(roles, coords);
  const mine = stages.map((_, s) => s).filter((s) => rankOfStage(schedule, s) === place);
  const layers = mine.flatMap((s) => stages[s]!);
  const params = usedBy(specs, layers);
  const actions = schedule[place]!;
  const { strategies = [] } = options;
  const acquires = acquiresOf(plan, actions);
  const held: Omit<HeldInput, "acquires"> = {
    params,
    kept: (spec) => keptSize(spec, mesh, coords),
    piece: (spec) => keptSize(pieceOf(spec), mesh, coords),
    slots: options.optimizer.slots,
  };
  const base = bytesOfRank(plan, held, { actions, mine, peak: simulation.peak[place]!, options });
  const bytes = costs.reduce<HeldBytes>((sum, cost, i) => {
    const gets = acquiresBy(strategies, i, acquires, { mesh, coords });
    return added(sum, cost?.held?.({ ...held, acquires: gets }) ?? {});
  }, base);
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
  readonly actions: readonly Action[];
  readonly mine: readonly number[];
  /** Most micros that are live at once. */
  readonly peak: number;
  readonly options: JobOptions;
}

/** What every rank holds, whatever the strategies add. */
function bytesOfRank(
  plan: Decided,
  held: Omit<HeldInput, "acquires">,
  { actions, mine, peak, options }: Share,
): HeldBytes {
  const { mesh, specs } = plan;
  const { params, kept, piece, slots } = held;
  const trained = params.filter(({ frozen }) => !frozen);
  const sumBytes = (spec: ParamSpec) => 4 * elements(localShape(spec, mesh));
  const events = gradientEvents(plan, actions, bucketBytesOf(options.strategies ?? []), sumBytes);
  return {
    params: 4 * sum(params, kept),
    grads: peakOfGradients(events, { sum: sumBytes, piece: (spec) => 4 * piece(spec) }, specsByUse(specs)),
    optimizer: 4 * slots * sum(trained, piece),
    activations: 4 * sum(mine, (s) => heldByStage(plan, s, peak)),
  };
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

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
