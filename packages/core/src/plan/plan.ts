// Decides everything before a tensor exists: layers to stages, parameters to shards, actions to ranks, and what it costs.
// Pure but for the dry run of the model's own walk, which is asynchronous by type.
import type { Mesh } from "../mesh.ts";
import { axisSize } from "../mesh.ts";
import type { ParamSpec } from "../params/params.ts";
import { withReduceGrad } from "../schedule/passes.ts";
import { accumulate, microsOf, type Schedule, stagesOf } from "../schedule/schedule.ts";
import { type Simulation, simulate } from "../schedule/simulate.ts";
import { validate } from "../schedule/validate.ts";
import { measure } from "./measure.ts";
import { checkOptions, type JobOptions } from "./options.ts";
import { checkCap, dealRanks, type RankPlan } from "./ranks.ts";
import { positionOf, type Roles, rolesOf } from "./roles.ts";
import { dealSpecs } from "./specs.ts";
import type { ModelShape, Strategy } from "./strategy.ts";
import { costOf, sentBytes } from "./traffic.ts";
import { startFrom } from "./weights.ts";

/** All that is decided before a tensor exists. */
export interface Plan {
  readonly mesh: Mesh;
  /** What each axis is for. */
  readonly roles: Roles;
  readonly batch: number;
  /** Microbatches per step on each rank, and samples in each. */
  readonly micros: number;
  readonly microSize: number;
  readonly specs: readonly ParamSpec[];
  readonly model: ModelShape;
  /** `stages[s]` lists the layers of stage s. */
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
  readonly ranks: readonly RankPlan[];
  /** Names of the auxiliary losses, in the model's order. */
  readonly losses: readonly string[];
  /** Bytes sent in one step along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  /** The schedule against a clock that ticks in the stages' floating-point operations. */
  readonly simulation: Simulation;
}

/** Throws, with the arithmetic and a way out, where the options cannot work. Allocates no tensor. */
export async function plan(options: JobOptions): Promise<Plan> {
  checkOptions(options);
  const { mesh = {}, strategies = [], batch } = options;
  const roles = rolesOf(strategies, mesh);
  refuseIslands(options, roles);
  const specs = startFrom(dealSpecs(options.model.layers, strategies, mesh), options);
  const schedule = arrange(strategies, await measure(options, specs, roles, options.micros ?? 1));
  const micros = microsOf(schedule);
  const microSize = divideBatch(batch, roles, mesh, micros);
  const model = await measure(options, specs, roles, micros);
  const stages = cutLayers(strategies, model, schedule);
  validate(schedule, { micros });
  const flops = stages.map((layers) => layers.reduce((sum, i) => sum + model.layers[i]!.flops, 0));
  const simulation = simulate(schedule, { F: flops, B: flops.map((f) => 2 * f) });
  const parts = { model, specs, stages, schedule, roles };
  const sent = sentBytes(parts, strategies);
  const costs = strategies.map((_, i) => costOf(parts, strategies, i));
  const losses = [...new Set(model.layers.flatMap((layer) => layer.losses))];
  const decided = { mesh, roles, batch, micros, microSize, specs, model, stages, schedule, losses, sent, simulation };
  const ranks = dealRanks(decided, options, costs);
  checkCap(ranks, options.capBytes);
  return { ...decided, ranks };
}

/** What islands have apart is more than one copy of each parameter. */
function refuseIslands({ checkpoint, resume }: JobOptions, { independent }: Roles): void {
  const [axis] = Object.keys(independent);
  if (axis === undefined || (!checkpoint && resume === undefined)) return;
  throw new Error(
    `members of ${axis} train for themselves, and a checkpoint has one value of each parameter: leave out checkpoint and resume`,
  );
}

/** Folds the schedule hooks. Gradients are reduced whatever the strategies add. */
function arrange(strategies: readonly Strategy[], model: ModelShape): Schedule {
  const fold = (schedule: Schedule, strategy: Strategy) => strategy.schedule?.(schedule, model) ?? schedule;
  return withReduceGrad(strategies.reduce(fold, accumulate(model.micros)));
}

function cutLayers(
  strategies: readonly Strategy[],
  model: ModelShape,
  schedule: Schedule,
): readonly (readonly number[])[] {
  const cuts = strategies.filter((s) => s.stages);
  if (cuts.length > 1) throw new Error(`${cuts.map(({ name }) => `${name}()`).join(" and ")} cut the layers: keep one`);
  const stages = cuts[0]?.stages?.(model) ?? [model.layers.map((_, i) => i)];
  if (stages.length !== stagesOf(schedule))
    throw new Error(`the schedule has ${stagesOf(schedule)} stages and the layers were cut into ${stages.length}`);
  return stages;
}

function divideBatch(batch: number, { batch: axes }: Roles, mesh: Mesh, micros: number): number {
  const parts = positionOf(axes, mesh, {}).of * micros;
  if (batch % parts === 0) return batch / parts;
  const below = Math.floor(batch / parts) * parts;
  const above = below + parts;
  const factors = [...axes.map((axis) => `${axis} ${axisSize(mesh, axis)}`), `${micros} micros`].join(" x ");
  throw new Error(
    `batch ${batch} does not divide into ${factors} = ${parts} equal parts: ` +
      `use a batch of ${below ? `${below} or ${above}` : above}, or fewer micros`,
  );
}
