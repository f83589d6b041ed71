// Data parallelism and ZeRO (Rajbhandari et al.: ZeRO: Memory optimizations toward training trillion parameter models,
// SC 2020). Stage 0 keeps everything on every rank; stage 3 shards parameters, gradients and optimizer state.
import { axisSize, type CostInput, elements, localShape, meshSize, microsOf, type Strategy } from "@orthant/core";
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
    return {
      ...strategy,
      schedule: withReduceGrad,
      store: allReduced,
      cost: (input) => price(input, 2 * wholeParams(input)),
    };
  return {
    ...strategy,
    split: (param) => ({ ...param, split: { ...param.split, dp: "flat" } }),
    schedule: (schedule) => withReduceGrad(gather === "step" ? withUnshard(schedule) : schedule),
    store: sharded,
    cost: (input) => price(input, wholeParams(input) + (gather === "step" ? wholeParams(input) : gathered(input))),
  };
}

const micros = ({ schedule }: CostInput): number => microsOf(schedule);

/** Elements of all parameters, as one rank of each stage sees them. */
const wholeParams = ({ model: { layers, mesh } }: CostInput): number =>
  sum(layers.flatMap(({ params }) => params).map((spec) => elements(localShape(spec, mesh))));

/** Elements gathered in a step where each segment gathers for itself: in forward all, in backward what is read there. */
const gathered = (input: CostInput): number =>
  micros(input) * (wholeParams(input) + sum(input.model.layers.map(({ reread }) => reread)));

/** Collectives over `total` elements, each rank sending (N-1)/N of them; float32, over all ranks. */
function price({ model: { mesh } }: CostInput, total: number) {
  const members = axisSize(mesh, "dp");
  const groups = meshSize(mesh) / members / axisSize(mesh, "pp");
  return { sent: 4 * total * (members - 1) * groups };
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
