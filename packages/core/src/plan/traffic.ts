// What a step sends along each axis, from what the strategies say and what core does itself. Pure.
import { bytesOf, type Call, refuseSum } from "../group/price.ts";
import { axisSize, type Coords, coordsOf, type Mesh, meshSize } from "../mesh.ts";
import { elements, type Shape } from "../model/segment.ts";
import { keptSize, localShape, type ParamSpec, pieceOf, shapeAfter } from "../params/params.ts";
import { type Action, rankOfStage, type Schedule } from "../schedule/schedule.ts";
import { acquiresOf, bucketBytesOf, gradientEvents } from "./backward.ts";
import type { Roles } from "./roles.ts";
import { usesIn } from "./specs.ts";
import type { Acquire, Cost, ModelShape, PlannedCall, Strategy, Wire } from "./strategy.ts";

interface Parts {
  readonly model: ModelShape;
  readonly specs: readonly ParamSpec[];
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
  readonly roles: Roles;
}

/** What one member asks of its group to bring the gradients of tied parameters to every stage that holds them. */
function tieCalls({ specs, stages, schedule, model }: Parts): PlannedCall[] {
  const places = stages.map((_, stage) => rankOfStage(schedule, stage));
  return specs.flatMap((spec): PlannedCall[] => {
    const holders = new Set(places.filter((_, stage) => usesIn(spec, stages[stage]!).length > 0));
    if (spec.frozen || holders.size < 2) return [];
    const call = { op: "send", sizes: [elements(localShape(spec, model.mesh))] } as const;
    return [{ ...call, times: spec.uses.length * (holders.size - 1) }];
  });
}

/** Bytes sent in one step along each axis that a strategy is about, summed over all ranks. */
export function sentBytes(parts: Parts, strategies: readonly Strategy[]): Record<string, number> {
  const { model, roles } = parts;
  const wireOf = (axis: string) => strategies.find((s) => s.axis === axis && s.wire)?.wire;
  const price = (axis: string, calls: readonly PlannedCall[]) =>
    calls.reduce((sum, call) => sum + priceOf(call, axisSize(model.mesh, axis), wireOf(axis)), 0);
  const sent: Record<string, number> = {};
  const places = chunkPlaces(parts);
  const add = (axis: string, bytes: number) => {
    sent[axis] = (sent[axis] ?? 0) + bytes * groupsAlong(axis, roles, model.mesh);
  };
  for (const [i, { axis }] of strategies.entries()) {
    if (axis === undefined) continue;
    const bytes = places.map((coords) => price(axis, costOf(parts, strategies, i, coords)?.calls ?? []));
    add(axis, bytes.reduce((a, b) => a + b, 0) / places.length);
  }
  if (roles.layers) add(roles.layers, price(roles.layers, tieCalls(parts)));
  return sent;
}

/** Asks strategy `i` for its cost, as its members at `coords` see it. */
export function costOf(
  parts: Parts,
  strategies: readonly Strategy[],
  i: number,
  coords: Coords = {},
): Cost | undefined {
  const { model, stages, schedule } = parts;
  const { mesh } = model;
  const bytes = (spec: ParamSpec) => 4 * elements(localShape(spec, mesh));
  const eventsOf = (actions: readonly Action[]) => gradientEvents(parts, actions, bucketBytesOf(strategies), bytes);
  return strategies[i]!.cost?.({
    model,
    stages,
    schedule,
    reductions: schedule.flatMap((actions) =>
      eventsOf(actions).flatMap((event) => (event.kind === "reduce" ? [event.params] : [])),
    ),
    acquires: schedule.map((actions) => acquiresBy(strategies, i, acquiresOf(parts, actions), { mesh, coords })),
    piece: (spec) => keptSize(pieceOf(spec), mesh, coords),
    ...shapesFor(strategies, i, { mesh, coords }),
  });
}

interface Position {
  readonly mesh: Mesh;
  readonly coords: Coords;
}

/** The shapes that strategy `i` gets: those before it in the list have cut them. */
export function shapesFor(strategies: readonly Strategy[], i: number, { mesh, coords }: Position) {
  const before = strategies.slice(0, i).flatMap(({ axis, split }) => (axis !== undefined && split ? [axis] : []));
  return {
    gradShape: (spec: ParamSpec): Shape => shapeAfter(pieceOf(spec), mesh, coords, before),
    valueShape: (spec: ParamSpec): Shape => shapeAfter(spec, mesh, coords, before),
  };
}

/** The acquires that the layer of strategy `i` gets, where segments make `acquires`. */
export const acquiresBy = (
  strategies: readonly Strategy[],
  i: number,
  acquires: readonly Acquire[],
  position: Position,
): readonly Acquire[] =>
  strategies
    .slice(0, i)
    .reduce((asked, strategy, j) => strategy.asks?.(asked, shapesFor(strategies, j, position)) ?? asked, acquires);

/** Positions on the axes along which ranks have flat chunks: these may differ in size. */
function chunkPlaces({ specs, model: { mesh } }: Parts): Coords[] {
  const flat = Object.keys(mesh).filter((axis) => specs.some((spec) => pieceOf(spec).split[axis] === "flat"));
  const part = Object.fromEntries(flat.map((axis) => [axis, axisSize(mesh, axis)]));
  return Array.from({ length: meshSize(part) }, (_, place) => coordsOf(part, place));
}

/** Groups of an axis that make the same call: a layer is on one stage only. */
const groupsAlong = (axis: string, { layers }: Roles, mesh: Mesh): number =>
  meshSize(mesh) / axisSize(mesh, axis) / (layers && layers !== axis ? axisSize(mesh, layers) : 1);

function priceOf(call: PlannedCall, members: number, wire: Wire | undefined): number {
  refuseSum(call);
  if (members === 1) return 0;
  const { times = 1, every = 1 } = call;
  return ((wire ? wire.bytes(call, members) : bytesOf(call, members)) * times) / every;
}

/** Every call of a layer's crossings along an axis, forward and backward. */
export const crossingCalls = ({ layers }: ModelShape, axis: string): Call[] =>
  layers.flatMap(({ moves }) =>
    moves.filter((move) => move.axis === axis).flatMap(({ forward, backward }) => [...forward, ...backward]),
  );
