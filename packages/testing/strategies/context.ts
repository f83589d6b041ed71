// Context parallelism: the members of an axis hold a part of every sequence each; keys and values travel round them in a ring
// (Liu et al.: Ring attention with blockwise transformers, 2023). The model says where they cross; this strategy cuts the
// samples and adds up the gradients. An example to copy.
import { type CostInput, crossingCalls, elements, microsOf, type PlannedCall, type Strategy } from "@orthant/core";

export interface ContextOptions {
  /** The mesh axis whose members hold parts of each sequence; "cp" by default. */
  readonly axis?: string;
}

/** Strategy of context parallelism along one mesh axis, for models that are V along it. */
export const context = ({ axis = "cp" }: ContextOptions = {}): Strategy => ({
  name: "context",
  axis,
  divides: { dim: 0 },
  store: (_, rank) => ({
    reduce: (names, grads, at) => rank.group(axis).allReduce(grads, `${at.key} ${names[0]}`),
  }),
  cost: (input) => ({ calls: [...crossings(input, axis), ...reductions(input)] }),
});

const crossings = ({ model, schedule }: CostInput, axis: string): PlannedCall[] =>
  crossingCalls(model, axis).map((call) => ({ ...call, times: microsOf(schedule) }));

const reductions = ({ reductions, gradShape }: CostInput): PlannedCall[] =>
  reductions.map((params) => ({ op: "allReduce", sizes: params.map((spec) => elements(gradShape(spec))) }));
