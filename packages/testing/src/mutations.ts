// The mutation test: every collective of a step dropped in turn, every crossing taken out in turn; the comparison with
// one device must fail each time. A mutation that survives shows a hole in the comparison, or a collective that is idle.
import { type AnyModel, memory, plan, sgd, type TrainOptions } from "@orthant/core";
import { atOfKey } from "@orthant/core/transport-kit";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { type ZeroOptions, zero } from "@orthant/zero";
import { errorsBetween } from "./compare.ts";
import { toleranceFailures } from "./differential.ts";
import { type Call, type Place, recorder, rewire, showCall, showPlace, without, withoutCrossing } from "./mutate.ts";
import { type Observed, observe } from "./observe.ts";
import { tinyGpt, tinySequences } from "./tiny.ts";

/** One thing broken on purpose, and what came of it. */
export interface Mutation {
  readonly name: string;
  /** True where the comparison failed, as it must. */
  readonly caught: boolean;
}

const sizes = { layers: 2, width: 4, context: 4, vocab: 6 } as const;

/** Options of 2 steps on one device: the calls of the second are dropped, as biases are zero before the first update. */
const alone = (): TrainOptions => ({
  model: tinyGpt(sizes),
  data: tinySequences(sizes),
  batch: 4,
  optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
  clip: 0.1,
  steps: 2,
});

const spread = (dp: ZeroOptions): TrainOptions => ({
  ...alone(),
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 2 }), zero(dp)],
});

/** Tells whether a run differs from one device; a run that ends with an error differs. */
async function differs(options: TrainOptions, expected: Observed): Promise<boolean> {
  const found = await observe(options).catch(() => undefined);
  return !found || toleranceFailures(errorsBetween(found, expected), 1e-5, false).length > 0;
}

/** Lists every call of the second step of a 2 x 2 x 2 mesh. */
export async function callsOfAStep(dp: ZeroOptions): Promise<Call[]> {
  const options = spread(dp);
  const { wrap, calls } = recorder(await plan(options));
  await observe({ ...options, transport: memory({ wrap }) });
  return calls().filter(({ key }) => /^step 1\b/.test(atOfKey(key)));
}

/** Drops each of `calls` in a run of its own. */
export async function dropEach(dp: ZeroOptions, calls: readonly Call[]): Promise<Mutation[]> {
  const options = spread(dp);
  const decided = await plan(options);
  const expected = await observe(alone());
  const mutations: Mutation[] = [];
  for (const call of calls) {
    const caught = await differs({ ...options, transport: memory({ wrap: without(decided, call) }) }, expected);
    mutations.push({ name: showCall(call), caught });
  }
  return mutations;
}

/** Lists every enter and leave of a model. */
export async function crossingsOf(model: AnyModel): Promise<Place[]> {
  const seen = new Map<string, Place>();
  const note = (crossing: Place) => !seen.set(showPlace(crossing), crossing);
  await plan({ ...alone(), model: rewire(model, note) });
  return [...seen.values()];
}

/** Takes each crossing out of the model in a run of its own, on tp 2. */
export async function bypassEach(): Promise<Mutation[]> {
  const { model } = alone();
  const expected = await observe(alone());
  const mutations: Mutation[] = [];
  for (const crossing of await crossingsOf(model)) {
    const mutant = {
      ...alone(),
      model: withoutCrossing(model, crossing),
      mesh: { tp: 2 },
      strategies: [tensorParallel()],
    };
    mutations.push({ name: showPlace(crossing), caught: await differs(mutant, expected) });
  }
  return mutations;
}
