// One training run with everything a comparison needs: losses, the gradients of every step, the parameters at the end,
// bytes, and how many tensors there were. Not a benchmark: ranks wait for each other at every step.
import {
  memory,
  type Outcome,
  type OwnedGradient,
  type Plan,
  plan,
  type RankEvents,
  type TrainOptions,
  type Transport,
} from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import * as tf from "@tensorflow/tfjs";

/** The pieces that one rank owns, by parameter name. */
export type Pieces = ReadonlyMap<string, Float32Array>;

/** What was seen of a run: losses, gradients, parameters, bytes. */
export interface Observed {
  readonly plan: Plan;
  /** Loss per token of every step. */
  readonly losses: readonly number[];
  /** `gradients[step][rank]`, before clipping; empty where the ranks run in other threads. */
  readonly gradients: readonly (readonly Pieces[])[];
  /** `parameters[rank]`, after the last step. */
  readonly parameters: readonly Pieces[];
  /** Bytes sent over the run along each axis, summed over all ranks. */
  readonly sent: Readonly<Record<string, number>>;
  readonly outcomes: readonly Outcome[];
  /** Tensors in this thread at the end of each step, all ranks waiting, less those before the run. */
  readonly tensors: readonly number[];
  /** Tensors in this thread after the run, less those before it. */
  readonly leaked: number;
}

/** Trains as `train` does, and watches. */
export async function observe(
  options: TrainOptions,
  transport: Transport = options.transport ?? memory(),
): Promise<Observed> {
  const before = tf.memory().numTensors;
  const decided = await plan(options);
  const { events, gradients, tensors } = watch(decided.ranks.length);
  const whole = { ...options, collect: true };
  const outcomes = await runRanks(transport, {
    options: whole,
    plan: decided,
    events,
    stop: new AbortController().signal,
  });
  return {
    plan: decided,
    losses: outcomes[0]!.losses,
    gradients,
    parameters: outcomes.map(({ pieces }) => pieces),
    sent: total(outcomes.map(({ sent }) => sent)),
    outcomes,
    tensors: tensors.map((count) => count - before),
    leaked: tf.memory().numTensors - before,
  };
}

/** Copies gradients; the last rank to have copied counts the tensors and lets all go on. */
function watch(ranks: number) {
  const gradients: Pieces[][] = [];
  const tensors: number[] = [];
  const gates = new Map<number, PromiseWithResolvers<void> & { waiting: number }>();
  const events: RankEvents = {
    async onGradients(rank, step, owned) {
      const gate = gates.get(step) ?? { ...Promise.withResolvers<void>(), waiting: 0 };
      gates.set(step, gate);
      gradients[step] ??= [];
      gradients[step][rank] = await copy(owned);
      if (++gate.waiting === ranks) {
        tensors.push(tf.memory().numTensors);
        gate.resolve();
      }
      await gate.promise;
    },
  };
  return { events, gradients, tensors };
}

async function copy(owned: readonly OwnedGradient[]): Promise<Pieces> {
  const read = async ({ spec, grad }: OwnedGradient): Promise<[string, Float32Array]> => [
    spec.name,
    grad ? Float32Array.from(await grad.data()) : new Float32Array(0),
  ];
  return new Map(await Promise.all(owned.map(read)));
}

function total(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const part of parts) for (const [name, bytes] of Object.entries(part)) sums[name] = (sums[name] ?? 0) + bytes;
  return sums;
}
