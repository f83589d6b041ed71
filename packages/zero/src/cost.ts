// What the stages send and hold: one entry a message. Pure; tested against counted bytes.
import {
  type Cost,
  type CostInput,
  crossingCalls,
  elements,
  type HeldBytes,
  type HeldInput,
  type Mesh,
  microsOf,
  type ParamSpec,
  type PlannedCall,
  type Shape,
} from "@orthant/core";
import { bucketsOf } from "./buckets.ts";
import { type GatherOptions, planGathers } from "./gather-plan.ts";
import { type Bucket, gatheredElements, restingBuckets, widestWindow } from "./offload/buckets.ts";
import type { Settings } from "./options.ts";
import { isSharded } from "./reduce.ts";
import { keepsMasters } from "./updated.ts";

/** How stage 3 gathers, given the shapes of whole parameters. */
export const gatherOptions = (
  { axis, bucketBytes, gather, prefetch }: Settings,
  { valueShape }: { valueShape(spec: ParamSpec): Shape },
): GatherOptions => ({
  keep: gather === "micro" ? "micro" : "segment",
  bucketBytes,
  prefetch,
  size: (spec) => (isSharded(spec, axis) ? elements(valueShape(spec)) : 0),
});

/** Prices every message of a step, and what stage 3 holds of gathered parameters. */
export function cost(input: CostInput, settings: Settings): Cost {
  const { stage } = settings;
  const times = microsOf(input.schedule);
  const moved = crossingCalls(input.model, settings.axis).map((call) => ({ ...call, times })); // statistics of a batch
  const reduced = [...moved, ...input.reductions.flatMap((params) => reduceCalls(input, params, settings))];
  const held = (rank: HeldInput) => heldBytes(input, rank, settings);
  if (stage === 0) return { calls: reduced, held };
  if (stage < 3) return { calls: [...reduced, ...updateCalls(input, settings)], held };
  const gathers = unshards(input) ? stageCalls(input, settings) : planCalls(input, settings);
  return { calls: [...reduced, ...gathers], held };
}

/** What stage 3 gathers, what is in flight to and from where it rests, less what rests there. */
function heldBytes(input: CostInput, rank: HeldInput, settings: Settings): Partial<HeldBytes> {
  const { params, optimizer } = restingBuckets(rank.params, rank, settings);
  const all = (buckets: readonly Bucket[]) => buckets.reduce((sum, { elements }) => sum + elements, 0);
  const gathered = settings.stage === 3 ? gatheredAtOnce(input, rank, settings) : 0;
  const masters = keepsMasters(settings, input.model.mesh[settings.axis]) ? updatedBy(rank, settings) : 0;
  return {
    params: 4 * (masters + Math.max(gathered, widestWindow(params)) - all(params)),
    optimizer: 4 * (widestWindow(optimizer) - all(optimizer)),
  };
}

interface View {
  readonly mesh: Mesh;
  valueShape(spec: ParamSpec): Shape;
  kept(spec: ParamSpec): number;
}

/** Elements that a rank holds on account of a parameter while it is gathered. */
export const heldOf =
  (settings: Settings, { mesh, valueShape, kept }: View) =>
  (spec: ParamSpec): number =>
    gatheredElements(spec, elements(valueShape(spec)), kept(spec), (mesh[settings.axis] ?? 1) === 1, settings);

/** Elements of the chunks that a rank updates. */
const updatedBy = (rank: HeldInput, { axis }: Settings): number =>
  rank.params.filter((spec) => !spec.frozen && isSharded(spec, axis)).reduce((sum, spec) => sum + rank.piece(spec), 0);

/** Whether stages stay whole for a step, by this strategy's word or another's: UNSHARD is asked of every store. */
const unshards = ({ schedule }: CostInput): boolean => schedule.flat().some(({ op }) => op === "UNSHARD");

const gradSizes = ({ gradShape }: CostInput, params: readonly ParamSpec[]): number[] =>
  params.map((spec) => elements(gradShape(spec)));

const valueSizes = ({ valueShape }: CostInput, params: readonly ParamSpec[]): number[] =>
  params.map((spec) => elements(valueShape(spec)));

function reduceCalls(input: CostInput, params: readonly ParamSpec[], { axis }: Settings): PlannedCall[] {
  const of = (op: PlannedCall["op"], wanted: boolean): PlannedCall[] => {
    const some = params.filter((spec) => isSharded(spec, axis) === wanted);
    return some.length ? [{ op, sizes: gradSizes(input, some) }] : [];
  };
  return [...of("reduceScatter", true), ...of("allReduce", false)];
}

const allGather = (input: CostInput, params: readonly ParamSpec[]): PlannedCall[] =>
  params.length ? [{ op: "allGather", sizes: valueSizes(input, params) }] : [];

/** Stages 1 and 2: each stage of the pipeline gathers what it updated, in the order of the model. */
function updateCalls(input: CostInput, { axis, bucketBytes }: Settings): PlannedCall[] {
  return input.acquires.flatMap((acquires) => {
    const used = new Set(acquires.flatMap(({ params }) => params));
    const specs = [...new Set(input.model.layers.flatMap(({ params }) => params))];
    const updated = specs.filter((spec) => used.has(spec) && !spec.frozen && isSharded(spec, axis));
    return bucketsOf(updated, bucketBytes, (spec) => 4 * elements(input.valueShape(spec))).flatMap((bucket) =>
      allGather(input, bucket),
    );
  });
}

const planCalls = (input: CostInput, settings: Settings): PlannedCall[] =>
  input.acquires.flatMap((acquires) =>
    planGathers(acquires, gatherOptions(settings, input)).steps.flatMap(({ start }) =>
      start.flatMap((params) => allGather(input, params)),
    ),
  );

/** The sharded parameters of each stage, once a step. */
const stageCalls = (input: CostInput, { axis }: Settings): PlannedCall[] =>
  input.stages.flatMap((layers) => {
    const params = [...new Set(layers.flatMap((i) => input.model.layers[i]!.params))];
    return allGather(
      input,
      params.filter((spec) => isSharded(spec, axis)),
    );
  });

/** The most elements that a rank holds of gathered parameters at once. */
function gatheredAtOnce(input: CostInput, rank: HeldInput, settings: Settings): number {
  const held = heldOf(settings, { mesh: input.model.mesh, valueShape: input.valueShape, kept: rank.kept });
  if (unshards(input)) return rank.params.reduce((sum, spec) => sum + held(spec), 0);
  return planGathers(rank.acquires, { ...gatherOptions(settings, input), held }).peak;
}
