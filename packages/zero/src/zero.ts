// Data parallelism and ZeRO (Rajbhandari et al.: ZeRO: Memory optimizations toward training trillion parameter models,
// SC 2020). Stage 0 keeps everything on every rank; stage 3 shards parameters, gradients and optimizer state.
import { axisSize, type CostInput, elements, localShape, meshSize, type ParamSpec, type Strategy } from "@orthant/core";
import { withReduceGrad, withUnshard } from "./passes.ts";
import { allReduced } from "./stage0.ts";
import { sharded } from "./stage3.ts";

export interface ZeroOptions {
  readonly stage: 0 | 3;
  /**
   * Stage 3: how long gathered parameters stay. "segment" frees them after each segment: least memory, two gathers a
   * micro. "step" keeps a stage's from its first action to its last: one gather a step. "segment" by default.
   */
  readonly gather?: "segment" | "step";
}

/** Owns axis `dp`: each of its ranks trains on its own samples. Throws on an unknown stage or gather. */
export function zero({ stage, gather = "segment" }: ZeroOptions): Strategy {
  if (stage !== 0 && stage !== 3) throw new Error(`zero({ stage: ${stage} }): the stages there are: 0, 3`);
  if (gather !== "segment" && gather !== "step")
    throw new Error(`zero({ gather: "${gather}" }): give "segment" (least memory) or "step" (fewest bytes sent)`);
  const strategy = { name: "zero", axis: "dp" } as const;
  if (stage === 0)
    return { ...strategy, schedule: withReduceGrad, store: allReduced, cost: (input) => price(input, 2) };
  return {
    ...strategy,
    split: (param) => ({ ...param, split: { ...param.split, dp: "flat" } }),
    schedule: (schedule) => withReduceGrad(gather === "step" ? withUnshard(schedule) : schedule),
    store: sharded,
    cost: (input) => price(input, gather === "step" ? 2 : 1 + gathers(input)),
  };
}

/** Gathers of one parameter in a step, where each segment gathers for itself: forward and backward of each micro. */
const gathers = ({ schedule }: CostInput): number =>
  2 * schedule.flat().filter((a) => a.op === "F" && a.stage === 0).length;

/** `rounds` passes of all parameters, each sending (N-1)/N of their elements per rank; float32. */
function price({ model }: CostInput, rounds: number) {
  const { mesh, layers } = model;
  const members = axisSize(mesh, "dp");
  const pieces = meshSize(mesh) / members / axisSize(mesh, "pp");
  const local = (spec: ParamSpec) => elements(localShape(spec, mesh));
  const psi = layers.flatMap(({ params }) => params).reduce((sum, spec) => sum + local(spec), 0);
  return { sent: 4 * rounds * psi * (members - 1) * pieces };
}
