// What one rank holds: its parameters in a store, the strategies' layers around it, and its gradients.
import type { Group } from "../group/group.ts";
import type { Meter } from "../meter.ts";
import type { ExtraState, Extras } from "../params/extra.ts";
import { Gradients, type Trained } from "../params/gradients.ts";
import type { Moment } from "../params/moment.ts";
import { initialValues, keptSize, localShape, pieceOf } from "../params/params.ts";
import { type BaseStore, layered, localStore, type ParamStore, type StoreLayer } from "../params/store.ts";
import { acquiresOf, additionsOf, bucketBytesOf } from "../plan/backward.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import { stageAxis } from "../plan/roles.ts";
import { usesIn } from "../plan/specs.ts";
import type { RankView } from "../plan/strategy.ts";
import { acquiresBy, shapesFor } from "../plan/traffic.ts";
import { combineUses } from "./ties.ts";

export interface HoldingsOptions {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly self: RankPlan;
  readonly meter: Meter;
  readonly group: (axis: string) => Group;
  readonly pipe: Group;
  /** Deals zeros in place of first values: others come. */
  readonly blank?: boolean;
}

export interface Holdings {
  readonly store: ParamStore;
  readonly gradients: Gradients;
  /** What strategies carry from step to step. */
  readonly extras: Extras;
  /** Ends a step in every layer, in the order of the strategies. */
  endStep(at: Moment): Promise<void>;
  dispose(): void;
}

/** What the store of strategy `i` may know of its rank. */
function viewsOf({ options, plan, self, meter, group }: HoldingsOptions): (i: number) => RankView {
  const { strategies = [], optimizer } = options;
  const { mesh } = plan;
  const { coords, rank } = self;
  const acquires = acquiresOf(plan, plan.schedule[stageAxis(plan.roles, coords)]!);
  return (i) => ({
    rank,
    mesh,
    group,
    meter,
    acquires: acquiresBy(strategies, i, acquires, { mesh, coords }),
    ...shapesFor(strategies, i, { mesh, coords }),
    kept: (spec) => keptSize(spec, mesh, coords),
    piece: (spec) => keptSize(pieceOf(spec), mesh, coords),
    slots: optimizer.slots,
  });
}

/** Deals this rank its first values and puts the strategies around them: the first of the list is the outermost. */
export async function hold(given: HoldingsOptions): Promise<Holdings> {
  const { options, plan, self, meter, pipe, blank = false } = given;
  const { strategies = [], seed = 0 } = options;
  const { mesh } = plan;
  const { coords } = self;
  const dealt = self.params.map((spec) => ({
    spec,
    shape: localShape(spec, mesh),
    get values() {
      if (blank) return new Float32Array(keptSize(spec, mesh, coords));
      return initialValues(spec, seed, mesh, coords); // each time: all at once may not fit
    },
  }));
  const viewOf = viewsOf(given);
  const at = strategies.findIndex(({ base }) => base);
  const base: BaseStore = (await strategies[at]?.base?.(dealt, viewOf(at))) ?? localStore(dealt, meter);
  const layers: StoreLayer[] = [];
  const extras = new Map<string, ExtraState>();
  const store = strategies.reduceRight<ParamStore>((inner, strategy, i) => {
    const layer = strategy.store?.(inner, viewOf(i));
    for (const extra of [layer?.extra, strategy.wire && given.group(strategy.axis!).extra])
      if (extra) extras.set(`${i} ${strategy.name} ${extra === layer?.extra ? "store" : "wire"}`, extra);
    if (!layer) return inner;
    layers.unshift(layer);
    return layered(inner, layer);
  }, base);
  const reductions = layers.flatMap((layer) => (layer.reduce ? [layer.reduce.bind(layer)] : []));
  const gradients = new Gradients({
    trained: trainedBy(plan, self),
    meter,
    combine: combineUses(plan, pipe),
    reductions,
    bucketBytes: bucketBytesOf(strategies),
  });
  return {
    store,
    gradients,
    extras,
    async endStep(at) {
      for (const layer of [...layers, base]) await layer.endStep?.(at);
    },
    dispose() {
      gradients.dispose();
      for (const layer of [...layers, base]) layer.dispose?.();
    },
  };
}

/** The parameters that this rank's segments add gradients to. */
function trainedBy(plan: Plan, { coords, params, stages: mine }: RankPlan): Trained[] {
  const additions = additionsOf(plan, plan.schedule[stageAxis(plan.roles, coords)]!);
  const layers = mine.flatMap((stage) => plan.stages[stage]!);
  return params
    .filter(({ frozen }) => !frozen)
    .map((spec) => ({
      name: spec.name,
      shape: localShape(spec, plan.mesh),
      uses: usesIn(spec, layers).map(({ name }) => name),
      additions: additions.get(spec.name) ?? 0,
      piece: keptSize(pieceOf(spec), plan.mesh, coords),
    }));
}
