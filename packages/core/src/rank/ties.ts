// Tied parameters: one value that several layers use, maybe on several stages. The gradient of each use is summed over micros
// where it is computed, brought to every stage that holds the parameter, and added up in the model's order, so that the bits
// do not depend on the stages.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Group } from "../group/group.ts";
import type { GradientsOptions } from "../params/gradients.ts";
import type { Moment } from "../params/moment.ts";
import type { ParamSpec } from "../params/params.ts";
import type { Plan } from "../plan/plan.ts";
import { rankOfStage } from "../schedule/schedule.ts";

/** Position on the axis that divides the layers, for each use of a parameter. */
export function placesOf({ uses }: ParamSpec, { stages, schedule }: Plan): number[] {
  return uses.map(({ layer }) =>
    rankOfStage(
      schedule,
      stages.findIndex((layers) => layers.includes(layer)),
    ),
  );
}

/** Adds up in order. Takes ownership. */
function addUp(grads: readonly Tensor[]): Tensor {
  return grads.reduce((sum, grad) => {
    const next = tf.add(sum, grad);
    tf.dispose([sum, grad]);
    return next;
  });
}

/** Where a parameter is used. */
interface Uses {
  readonly spec: ParamSpec;
  readonly places: readonly number[];
  /** Positions other than this rank's. */
  readonly others: readonly number[];
}

/** What `Gradients` calls: `pipe` is the group of the axis that divides the layers. */
export function combineUses(plan: Plan, pipe: Group): GradientsOptions["combine"] {
  const usesOf = (spec: ParamSpec): Uses => {
    const places = placesOf(spec, plan);
    return { spec, places, others: [...new Set(places)].filter((place) => place !== pipe.rank) };
  };
  const all = new Map(plan.specs.map((spec) => [spec.name, usesOf(spec)]));
  return (names, sums, at) =>
    Promise.all(
      names.map((name, i) => {
        const uses = all.get(name)!;
        return uses.others.length ? everyUse(uses, sums[i]!, pipe, at).then(addUp) : addUp(sums[i]!);
      }),
    );
}

/** The gradients of all uses, in the model's order: mine go to the other holders, theirs come here. */
async function everyUse(
  { spec, places, others }: Uses,
  mine: readonly Tensor[],
  pipe: Group,
  at: Moment,
): Promise<readonly Tensor[]> {
  const local = [...mine];
  const keyOf = (use: number) => `step ${at.step} tie ${spec.uses[use]!.name}`;
  const sends: Promise<void>[] = [];
  const all = places.map((place, use) => {
    if (place !== pipe.rank) return pipe.recv(place, keyOf(use));
    const grad = local.shift()!;
    for (const other of others) sends.push(pipe.send(other, grad.clone(), keyOf(use)));
    return Promise.resolve(grad);
  });
  const [grads] = await Promise.all([Promise.all(all), ...sends]);
  return grads;
}
