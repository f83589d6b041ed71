// A batch that is evaluated between two steps, on one rank: the forwards of a step with the same plan, so nobody holds more than in
// a step, and the sum of their losses over all ranks.
import { broadcast, gatherToFirst } from "../../group/tree.ts";
import type { Members } from "../../group/vectors.ts";
import type { Data, Values } from "../../model/model.ts";
import { elements } from "../../model/segment.ts";
import { saysLoss } from "../../plan/roles.ts";
import { messageKey, world } from "../../transports/key.ts";
import { actionsOf, evaluationContext, forwardsOf, type Opened } from "../contexts.ts";
import { execute } from "../execute.ts";

/** The samples of one batch, of the whole mesh, one after the other. */
export interface Batch {
  readonly input: Values;
  readonly target: Values;
}

/** Terms are 0 where the model does not count them. */
export interface LossSum {
  readonly loss: number;
  readonly count: number;
}

function dataOf({ options }: Opened, { input, target }: Batch): Data {
  const [inputs, targets] = [elements(options.data.input.shape), elements(options.data.target.shape)];
  return {
    ...options.data,
    sample: (i) => ({
      input: input.subarray(i * inputs, (i + 1) * inputs),
      target: target.subarray(i * targets, (i + 1) * targets),
    }),
  };
}

/** The loss sum of a batch, and its terms where the model counts them; every rank of `all` calls it and has the same. `at` names it in messages. */
export async function evaluate(opened: Opened, batch: Batch, all: Members, at: string): Promise<LossSum> {
  const { plan, self } = opened;
  const micros = await execute(forwardsOf(actionsOf(opened)), evaluationContext(opened, dataOf(opened, batch), at));
  const says = saysLoss(plan.roles, self.coords);
  const each = (of: "loss" | "count") =>
    Array.from({ length: plan.micros }, (_, m) => (says && micros.get(m)?.[of]) || 0);
  const total = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0);
  const mine = Float64Array.of(...each("loss"), total(each("count")));
  const key = messageKey(world, "evaluated", at);
  const heard = await gatherToFirst(all, mine, key);
  const isCount = (i: number) => i % mine.length === plan.micros;
  const sums = heard && [
    total([...heard].filter((_, i) => !isCount(i))),
    total([...heard].filter((_, i) => isCount(i))),
  ];
  const [loss, count] = await broadcast(all, sums && Float64Array.from(sums), key);
  return { loss: loss!, count: count! };
}
