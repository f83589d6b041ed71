// Decides everything before a tensor exists: layers to stages, parameters to shards, actions to ranks, and what it costs.
// Pure but for the dry run of the model's own walk, which is asynchronous by type.
import { type Coords, coordsOf, type Mesh, meshSize, showCoords } from "../mesh.ts";
import type { Held as Bytes } from "../meter.ts";
import type { Layer } from "../model/model.ts";
import { elements } from "../model/segment.ts";
import { keptRange, localShape, type ParamSpec } from "../params/params.ts";
import { accumulate, microsOf, rankOfStage, type Schedule, stagesOf } from "../schedule/schedule.ts";
import { type Simulation, simulate } from "../schedule/simulate.ts";
import { validate } from "../schedule/validate.ts";
import { checkOptions, type TrainOptions } from "./options.ts";
import { placeholder, ShapeTape } from "./shape-tape.ts";
import type { LayerShape, ModelShape, Strategy } from "./strategy.ts";

/** What one rank does and holds. */
export interface RankPlan {
  readonly rank: number;
  readonly coords: Coords;
  /** Indices of the stages it runs. */
  readonly stages: readonly number[];
  /** Its parameters, in the model's order. */
  readonly params: readonly ParamSpec[];
  /** Bytes it will hold, each kind at its peak. */
  readonly bytes: Bytes;
}

export interface Plan {
  readonly mesh: Mesh;
  readonly batch: number;
  /** Microbatches per step and data-parallel rank, and samples in each. */
  readonly micros: number;
  readonly microSize: number;
  readonly specs: readonly ParamSpec[];
  readonly model: ModelShape;
  /** `stages[s]` lists the layers of stage s. */
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
  readonly ranks: readonly RankPlan[];
  /** Bytes sent in one step along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  /** The schedule against a clock that ticks in the stages' floating-point operations. */
  readonly simulation: Simulation;
}

const dataRanks = (mesh: Mesh) => mesh.dp ?? 1;

/** Throws, with the arithmetic and a way out, where the options cannot work. Allocates no tensor. */
export async function plan(options: TrainOptions): Promise<Plan> {
  checkOptions(options);
  const { mesh = {}, strategies = [], batch } = options;
  const specs = dealSpecs(options.model.layers, strategies, mesh);
  const draft = await measure(options, specs, options.micros ?? 1);
  const { schedule, micros } = arrange(strategies, draft);
  const microSize = divideBatch(batch, mesh, micros);
  const model = await measure(options, specs, micros);
  const stages = strategies.find((s) => s.stages)?.stages?.(model) ?? [model.layers.map((_, i) => i)];
  if (stages.length !== stagesOf(schedule))
    throw new Error(`the schedule has ${stagesOf(schedule)} stages and the layers were cut into ${stages.length}`);
  validate(schedule, { micros });
  const flops = stages.map((layers) => layers.reduce((sum, i) => sum + model.layers[i]!.flops, 0));
  const simulation = simulate(schedule, { F: flops, B: flops.map((f) => 2 * f) });
  const sent = Object.fromEntries(strategies.map((s) => [s.axis, s.cost?.({ model, stages, schedule }).sent ?? 0]));
  const parts = { mesh, batch, micros, microSize, specs, model, stages, schedule, sent, simulation };
  return { ...parts, ranks: dealRanks(parts, options) };
}

function dealSpecs(layers: readonly Layer[], strategies: readonly Strategy[], mesh: Mesh): ParamSpec[] {
  const specs = layers.flatMap((layer, i) =>
    layer.params.map((p): ParamSpec => ({ ...p, name: `${layer.name}.${p.name}`, layer: i, split: {} })),
  );
  const twice = specs.find(({ name }, i) => specs.findIndex((s) => s.name === name) !== i);
  if (twice) throw new Error(`two parameters are named ${twice.name}: give each layer its own name`);
  return specs.map((spec) => {
    const dealt = strategies.reduce((s, strategy) => strategy.split?.(s) ?? s, spec);
    checkSplit(dealt, mesh);
    return dealt;
  });
}

function checkSplit({ name, shape, split }: ParamSpec, mesh: Mesh): void {
  for (const [axis, dim] of Object.entries(split)) {
    const size = mesh[axis] ?? 1;
    const length = dim === "flat" ? 0 : shape[dim];
    if (length === undefined)
      throw new Error(`${axis} would cut dim ${dim} of ${name}, which has dims 0 to ${shape.length - 1}`);
    if (length % size === 0) continue;
    const fits = Array.from({ length }, (_, i) => i + 1).filter((n) => length % n === 0);
    throw new Error(
      `${axis} ${size} does not divide dim ${dim} of ${name} [${shape.join(", ")}]: ${length} / ${size} is not ` +
        `whole; ${axis} ${fits.join(", ")} would be`,
    );
  }
}

/** Folds the schedule hooks. */
function arrange(strategies: readonly Strategy[], model: ModelShape): { schedule: Schedule; micros: number } {
  const schedule = strategies.reduce((s, strategy) => strategy.schedule?.(s, model) ?? s, accumulate(model.micros));
  return { schedule, micros: microsOf(schedule) };
}

function divideBatch(batch: number, mesh: Mesh, micros: number): number {
  const parts = dataRanks(mesh) * micros;
  if (batch % parts === 0) return batch / parts;
  const below = Math.floor(batch / parts) * parts;
  const above = below + parts;
  throw new Error(
    `batch ${batch} does not divide into dp ${dataRanks(mesh)} x ${micros} micros = ${parts} equal parts: ` +
      `use a batch of ${below ? `${below} or ${above}` : above}, or fewer micros`,
  );
}

/** Runs every layer on a tape of shapes, at the size of one microbatch. */
async function measure(options: TrainOptions, specs: readonly ParamSpec[], micros: number): Promise<ModelShape> {
  const { mesh = {}, model, data, batch } = options;
  const samples = Math.max(1, Math.floor(batch / (dataRanks(mesh) * micros)));
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const layers: LayerShape[] = [];
  let x = placeholder([samples, ...data.input.shape]);
  for (const [i, layer] of model.layers.entries()) {
    const tape = new ShapeTape(mesh, byName, options.recompute ?? false);
    x = await layer.forward(tape, x);
    const last = i === model.layers.length - 1;
    const y = last ? await model.loss(tape, x, placeholder([samples, ...data.target.shape])) : x;
    const params = specs.filter((spec) => spec.layer === i);
    const kept = tape.kept(y);
    const { flops, moves, widest, reread, peak } = tape;
    layers.push({ name: layer.name, params, flops, widest, reread, kept, peak, out: elements(x.shape), moves });
  }
  return { mesh, layers, micros };
}

function dealRanks(plan: Omit<Plan, "ranks">, { optimizer }: TrainOptions): RankPlan[] {
  const { mesh, stages, schedule, specs, model, simulation } = plan;
  return Array.from({ length: meshSize(mesh) }, (_, rank) => {
    const coords = coordsOf(mesh, rank);
    const at = coords.pp ?? 0;
    const mine = stages.map((_, s) => s).filter((s) => rankOfStage(schedule, s) === at);
    const layers = mine.flatMap((s) => stages[s]!);
    const params = specs.filter((spec) => layers.includes(spec.layer));
    const kept = sum(params, (spec) => keptSize(spec, mesh, coords));
    const whole = sum(params, (spec) => elements(localShape(spec, mesh)));
    const segment = kept === whole ? 0 : Math.max(...layers.map((i) => model.layers[i]!.widest));
    const gathered = segment && unshards(schedule) ? whole : segment;
    const live = sum(mine, (s) => heldByStage(plan, s, simulation.peak[at]!));
    const bytes = {
      params: 4 * (kept + gathered),
      grads: 4 * (plan.micros === 1 ? Math.min(whole, kept + segment) : whole),
      optimizer: 4 * optimizer.slots * kept,
      activations: 4 * live,
    };
    return { rank, coords, stages: mine, params, bytes };
  });
}

/** Elements of activations that a stage holds at its worst: in the forward of the last of `micros` live ones. */
function heldByStage({ model, stages }: Omit<Plan, "ranks">, stage: number, micros: number): number {
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

function keptSize(spec: ParamSpec, mesh: Mesh, coords: Coords): number {
  const [from, to] = keptRange(spec, mesh, coords);
  return to - from;
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

/** `rank 5 (pp 1, dp 0, tp 1)`: for messages. */
export const showRank = ({ rank, coords }: RankPlan): string =>
  Object.keys(coords).length ? `rank ${rank} (${showCoords(coords)})` : `rank ${rank}`;
