// What rests off the device, cut into buckets of neighbouring parameters, and the most of it that is on its way at once. Pure.
import type { HeldInput, ParamSpec } from "@orthant/core";
import { bucketsOf } from "../buckets.ts";
import type { Settings } from "../options.ts";
import { isSharded } from "../reduce.ts";

type Sizes = Pick<HeldInput, "kept" | "piece" | "slots">;

/** All that rests of one parameter, as one vector; positions in elements from the start of the resting place. */
export interface Part {
  readonly name: string;
  readonly at: number;
  readonly elements: number;
}

/** Neighbours that are read, and written, at once. */
export interface Bucket {
  readonly parts: readonly Part[];
  readonly at: number;
  readonly elements: number;
}

/** Lays out what rests, in the order of `specs`; what has no element is left out. */
export function layOut(
  specs: readonly ParamSpec[],
  elementsOf: (spec: ParamSpec) => number,
  bucketBytes: number,
): Bucket[] {
  let end = 0;
  const parts = specs
    .map((spec): Part => ({ name: spec.name, at: end, elements: grow(elementsOf(spec)) }))
    .filter(({ elements }) => elements > 0);
  function grow(elements: number): number {
    end += elements;
    return elements;
  }
  return bucketsOf(parts, bucketBytes, ({ elements }) => 4 * elements).map((bucket) => ({
    parts: bucket,
    at: bucket[0]!.at,
    elements: bucket.reduce((sum, { elements }) => sum + elements, 0),
  }));
}

/** Elements on their way at the worst moment: a bucket in use, the one before being written, the one after being read. */
export const widestWindow = (buckets: readonly Bucket[]): number =>
  Math.max(0, ...buckets.map((_, i) => buckets.slice(Math.max(0, i - 1), i + 2).reduce((n, b) => n + b.elements, 0)));

/** Whether the values of a parameter rest off the device: where its chunks do, and it is not kept whole. */
export const restsAway = (spec: ParamSpec, { offload, axis }: Settings): boolean =>
  offload.params !== undefined && isSharded(spec, axis);

/** The buckets of values, and of optimizer state, that rest off the device. */
export function restingBuckets(specs: readonly ParamSpec[], { kept, piece, slots }: Sizes, settings: Settings) {
  const { offload, bucketBytes } = settings;
  const state = (spec: ParamSpec) => (offload.optimizer && !spec.frozen ? slots * piece(spec) : 0);
  return {
    params: layOut(specs, (spec) => (restsAway(spec, settings) ? kept(spec) : 0), bucketBytes),
    optimizer: layOut(specs, state, bucketBytes),
  };
}

/** Elements that a rank holds on account of a parameter while it is gathered: the chunk that it came from, where that was read for it. */
export function gatheredElements(spec: ParamSpec, whole: number, kept: number, alone: boolean, settings: Settings) {
  if (!isSharded(spec, settings.axis)) return 0;
  const away = restsAway(spec, settings);
  if (alone) return away ? whole : 0; // alone, the chunk is the whole
  return whole + (away ? kept : 0);
}
