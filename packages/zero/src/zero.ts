// Data parallelism and ZeRO (Rajbhandari et al.: ZeRO: Memory optimizations toward training trillion parameter models,
// SC 2020). Stage 0 keeps everything on every rank; stage 3 shards parameters, gradients and optimizer state.
import { type CostInput, elements, type ParamSpec, type PlannedCall, type Strategy } from "@orthant/core";
import { withUnshard } from "./passes.ts";
import { sharded } from "./sharded.ts";

export interface ZeroOptions {
  readonly stage: 0 | 3;
  /**
   * Stage 3: how long gathered parameters stay. "segment" frees them after each segment: least memory, two gathers a
   * micro. "step" keeps a stage's from its first action to its last: one gather a step. "segment" by default.
   */
  readonly gather?: "segment" | "step";
  /** The mesh axis whose members train on different samples; "dp" by default. */
  readonly axis?: string;
}

/** Strategy of data parallelism along one mesh axis. Throws on an unknown stage or gather. */
export function zero({ stage, gather = "segment", axis = "dp" }: ZeroOptions): Strategy {
  if (stage !== 0 && stage !== 3) throw new Error(`zero({ stage: ${stage} }): the stages there are: 0, 3`);
  if (gather !== "segment" && gather !== "step")
    throw new Error(`zero({ gather: "${gather}" }): give "segment" (least memory) or "step" (fewest bytes sent)`);
  return stage === 0 ? whole(axis) : shards(axis, gather);
}

/** Stage 0: gradients are all-reduced once a step. */
const whole = (axis: string): Strategy => ({
  name: "zero",
  axis,
  divides: "batch",
  store: (_, rank) => ({
    reduce: (names, grads, at) => rank.group(axis).allReduce(grads, `${at.key} ${names[0]}`),
  }),
  cost: (input) => ({ calls: reductions(input, "allReduce") }),
});

/** Stage 3: gradients are reduce-scattered once a step, parameters gathered for use. */
const shards = (axis: string, gather: "segment" | "step"): Strategy => ({
  name: "zero",
  axis,
  divides: "batch",
  split: (param) => ({ ...param, split: { ...param.split, [axis]: "flat" } }),
  ...(gather === "step" && { schedule: withUnshard }),
  store: (inner, rank) => sharded(inner, rank, rank.group(axis)),
  cost: (input) => ({
    calls: [
      ...reductions(input, "reduceScatter"),
      ...(unshards(input) ? gatheredByStage(input) : gatheredBySegment(input)),
    ],
  }),
});

const sizesOf = ({ localShape }: CostInput, params: readonly ParamSpec[]): number[] =>
  params.map((spec) => elements(localShape(spec)));

const isFrozen = ({ frozen }: ParamSpec): boolean => frozen === true;

const gathers = (input: CostInput, params: readonly ParamSpec[], times = 1): PlannedCall[] =>
  params.length ? [{ op: "allGather", sizes: sizesOf(input, [...new Set(params)]), times }] : [];

const reductions = (input: CostInput, op: "allReduce" | "reduceScatter"): PlannedCall[] =>
  input.reductions.map((params) => ({ op, sizes: sizesOf(input, params) }));

/** Whether stages stay whole for a step, by this strategy's word or another's: UNSHARD is asked of every store. */
const unshards = ({ schedule }: CostInput): boolean => schedule.flat().some(({ op }) => op === "UNSHARD");

/** Each stage's parameters once a step. */
const gatheredByStage = (input: CostInput): PlannedCall[] =>
  input.stages.flatMap((layers) =>
    gathers(
      input,
      layers.flatMap((i) => input.model.layers[i]!.params),
    ),
  );

/** Each segment's parameters in its forward; in its backward, or each half of it that has gradients to give, those that it reads. */
function gatheredBySegment(input: CostInput): PlannedCall[] {
  const times = (op: string, stage: number) =>
    input.schedule.flat().filter((action) => action.op === op && action.stage === stage).length;
  return input.stages.flatMap((layers, stage) =>
    layers
      .flatMap((i) => input.model.layers[i]!.segments)
      .flatMap(({ params, reread }) => [
        ...gathers(input, params, times("F", stage)),
        ...gathers(input, reread, times("B", stage) + (params.every(isFrozen) ? 0 : times("W", stage))),
      ]),
  );
}
