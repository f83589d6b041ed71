// What every strategy must do, as plain cases for any test runner: on 1, 2, 3 and 4 ranks of its axis it trains as one
// device does, sends the bytes that it said, and leaves no tensor behind.
// `testStrategy(() => zero({ stage: 3 }))`
import { type ParamSpec, plan, type Strategy, sgd, type TrainOptions } from "@orthant/core";
import type { Case } from "./case.ts";
import { accountingFailures, errorsBetween } from "./compare.ts";
import { toleranceFailures } from "./differential.ts";
import { type Observed, observe } from "./observe.ts";
import { tinyGpt, tinySequences } from "./tiny.ts";

export interface StrategyTest {
  /** Sizes of the strategy's axis: 1, 2, 3, 4 by default. */
  readonly sizes?: readonly number[];
  /** What to train: a GPT of 4 blocks and 12 heads, whose dims all of the sizes divide, by default. */
  readonly training?: TrainOptions;
  /** The most that losses, gradients and parameters may differ from one device, relative: 1e-5 by default. */
  readonly tolerance?: number;
}

const sizes = { width: 24, heads: 12, context: 4, vocab: 8 } as const;

const standard = (): TrainOptions => ({
  model: tinyGpt(sizes),
  data: tinySequences(sizes),
  batch: 24,
  micros: 2,
  optimizer: sgd({ lr: 0.03, momentum: 0.9 }),
  clip: 1,
  steps: 4,
});

/** The conformance suite of a strategy: `make` gives a fresh one. */
export function testStrategy(
  make: () => Strategy,
  { sizes: axis = [1, 2, 3, 4], training = standard(), tolerance = 1e-5 }: StrategyTest = {},
): Case[] {
  let alone: Promise<Observed> | undefined;
  const onOne = () => (alone ??= observe(training));
  const on = (size: number): TrainOptions => ({
    ...training,
    mesh: { [make().axis ?? "none"]: size },
    strategies: [make()],
  });
  return [
    ...axis.map((size) => ({
      name: `as one device, ${make().axis} ${size}`,
      run: async () => asOneDevice(await observe(on(size)), await onOne(), tolerance),
    })),
    { name: "asks for no tensor while it plans, and decides the same twice", run: () => plansPurely(on(axis.at(-1)!)) },
    { name: "split changes nothing it was given", run: async () => splitsPurely(make(), (await plan(training)).specs) },
  ];
}

function asOneDevice(found: Observed, expected: Observed, tolerance: number): void {
  fail([...toleranceFailures(errorsBetween(found, expected), tolerance, false), ...accountingFailures(found)]);
}

async function plansPurely(options: TrainOptions): Promise<void> {
  const [a, b] = [await plan(options), await plan(options)].map(({ specs, stages, schedule, sent }) =>
    JSON.stringify({ specs, stages, schedule, sent }),
  );
  fail(a === b ? [] : [`two plans of the same options differ: ${a} and ${b}`]);
}

function splitsPurely({ split }: Strategy, specs: readonly ParamSpec[]): void {
  const before = JSON.stringify(specs);
  const twice = [1, 2].map(() => JSON.stringify(specs.map((spec) => split?.(spec) ?? spec)));
  fail(twice[0] === twice[1] ? [] : ["split() gave two answers to one question"]);
  fail(JSON.stringify(specs) === before ? [] : ["split() changed the spec that it was given"]);
}

function fail(failures: readonly string[]): void {
  if (failures.length) throw new Error(failures.join("\n"));
}
