// Data parallelism and ZeRO (Rajbhandari et al.: ZeRO: Memory optimizations toward training trillion parameter models,
// SC 2020): what is held once and what on every member of an axis.
import { axisSize, elements, type Mesh, type ParamSpec, type Strategy } from "@orthant/core";
import { cost, gatherOptions, heldOf } from "./cost.ts";
import { planGathers } from "./gather-plan.ts";
import { gathered } from "./gathered.ts";
import { offloaded } from "./offload/base.ts";
import { checked, type ZeroOptions } from "./options.ts";
import { withUnshard } from "./passes.ts";
import { type LayerOptions, reducer } from "./reduce.ts";
import { keepsMasters, updated } from "./updated.ts";
import { machinesOf } from "./wire/levels.ts";
import { wireOf } from "./wire/wire.ts";

/** Strategy of data parallelism along one mesh axis. Throws on options that cannot be. */
export function zero(options: ZeroOptions): Strategy {
  const settings = checked(options);
  const { axis, stage, gather, bucketBytes, persist, offload, machine } = settings;
  const split = (spec: ParamSpec, mesh: Mesh): ParamSpec => {
    if (stage === 0 || elements(spec.shape) <= persist || axisSize(mesh, axis) === 1) return spec; // alone: nothing to share
    if (stage === 3) return { ...spec, split: { ...spec.split, [axis]: "flat" } };
    return { ...spec, shard: [...(spec.shard ?? []), axis] };
  };
  const wire = wireOf(settings);
  return {
    name: "zero",
    axis,
    divides: "batch",
    bucketBytes: stage === 1 ? Number.POSITIVE_INFINITY : bucketBytes,
    split,
    ...(wire && { wire }),
    ...(stage === 3 && gather === "step" && { schedule: withUnshard }),
    ...((offload.params || offload.optimizer) && { base: (dealt, rank) => offloaded(dealt, rank, settings) }),
    store(inner, rank) {
      const group = rank.group(axis);
      const layer: LayerOptions = { inner, rank, group, ...reducer(inner, group) };
      if (stage === 0) return { reduce: layer.reduce };
      if (stage < 3) return updated(layer, { bucketBytes, masters: keepsMasters(settings, group.size) });
      const acquires = gather === "step" ? [] : rank.acquires;
      return gathered(layer, planGathers(acquires, gatherOptions(settings, rank)), heldOf(settings, rank));
    },
    ...(stage === 3 && {
      asks: (acquires, view) => (gather === "step" ? [] : planGathers(acquires, gatherOptions(settings, view)).asks),
    }),
    cost(input) {
      machinesOf(input.model.mesh[axis] ?? 1, machine);
      return cost(input, settings);
    },
  };
}
