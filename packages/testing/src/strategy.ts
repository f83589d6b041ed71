// What every strategy must do, as plain cases for any test runner: on 1, 2, 3 and 4 ranks of its axis, and beside each built-in
// strategy, it trains as one device does, sends and holds the bytes that it said, and leaves no tensor behind.
// `testStrategy(() => zero({ stage: 3 }))`
import { axisSize, type Mesh, type ParamSpec, type Plan, plan, type Strategy, type TrainOptions } from "@orthant/core";
import { builtIn } from "./built-in.ts";
import type { Case } from "./case.ts";
import { errorsBetween } from "./compare.ts";
import type { Fixture, Placed } from "./fixture/fixture.ts";
import { observe } from "./observe.ts";
import { type Cell, failuresOf, featuresOf, pairRunner, pairTraining, referenceOf, toleranceOf } from "./pairs.ts";

/** What is tested: a strategy, several that belong together, or one with what it needs around it. */
export type UnderTest = Strategy | readonly Strategy[] | Fixture;

/** Strategy under test, and what it is expected to do. */
export interface StrategyTest {
  /** Sizes of the strategy's axes: 1, 2, 3, 4 by default. */
  readonly sizes?: readonly number[];
  /** What to train: a GPT of 4 blocks and 12 heads, whose dims all of the sizes divide, for 4 steps, by default. */
  readonly training?: TrainOptions;
  /** The most that losses, gradients and parameters may differ from one device, relative: the fixture's, or 1e-5, by default. */
  readonly tolerance?: number;
  /** Strategies to put it beside, each on an axis of two: the built-in ones by default. */
  readonly beside?: readonly Fixture[];
  /** Names of those that `plan` must refuse beside it, in either order: `pipeline` beside another pipeline. */
  readonly refused?: readonly string[];
}

/** Lists the cases of the conformance suite; `make` gives what is tested, fresh each time. */
export function testStrategy(make: () => UnderTest, options: StrategyTest = {}): Case[] {
  const { sizes = [1, 2, 3, 4], beside = builtIn, refused = [], tolerance } = options;
  const fixture = { ...toFixture(make), ...(tolerance !== undefined && { tolerance }) };
  const training = options.training ?? { ...pairTraining(featuresOf(fixture)), batch: 24 };
  const alone = (size: number) => ({ ...training, ...place(fixture, size) });
  const axes = Object.keys(place(fixture, 1).mesh);
  const own = axes.length ? sizes : [1];
  const expected = remembered((size) => observe({ ...training, ...referenceOf([fixture], size) }));
  const run = pairRunner(options.training ? () => training : pairTraining);
  return [
    ...own.map((size) => ({
      name: `as one device, ${axes.map((axis) => `${axis} ${size}`).join(", ") || "on no axis"}`,
      run: () => asExpected(fixture, alone(size), () => expected(fixture.ownNumbers ? size : 1)),
    })),
    { name: "its members do not all compute the same", run: () => sharesWork(alone(own.at(-1)!)) },
    {
      name: "asks for no tensor while it plans, and decides the same twice",
      run: () => plansPurely(alone(own.at(-1)!)),
    },
    { name: "split changes nothing it was given", run: () => splitsPurely(alone(1), training) },
    ...beside.map((other) => ({
      name: `beside ${other.name}, before it and after it`,
      run: async () => together([await run(fixture, other), await run(other, fixture)], refused.includes(other.name)),
    })),
  ];
}

function toFixture(make: () => UnderTest): Fixture {
  const made = make();
  if ("make" in made) return made;
  const list = (given: UnderTest) => [given].flat() as Strategy[];
  const axes = new Set(list(made).flatMap(({ axis }) => axis ?? []));
  return {
    name: list(made)
      .map(({ name }) => name)
      .join(" and "),
    make: ({ size }) => ({
      mesh: Object.fromEntries([...axes].map((axis) => [axis, size])),
      strategies: list(make()),
    }),
  };
}

const place = (fixture: Fixture, size: number): Placed => fixture.make({ size, batch: "own", beside: [] });

function remembered<T>(make: (size: number) => T): (size: number) => T {
  const made = new Map<number, T>();
  return (size) => {
    const value = made.get(size) ?? make(size);
    made.set(size, value);
    return value;
  };
}

async function asExpected(fixture: Fixture, options: TrainOptions, expected: () => ReturnType<typeof observe>) {
  const found = await observe(options);
  fail(failuresOf(found, errorsBetween(found, await expected()), toleranceOf([fixture])));
}

const flopsOf = ({ ranks }: Plan): number => ranks.reduce((sum, { flops }) => sum + flops, 0);

/** Fails along an axis whose members together compute as many times what one would as there are of them. */
async function sharesWork(options: TrainOptions): Promise<void> {
  const { mesh = {} } = options;
  const all = flopsOf(await plan(options));
  const failures = await Promise.all(
    Object.keys(mesh).map(async (axis) => {
      const [size, one] = [axisSize(mesh, axis), flopsOf(await plan({ ...options, mesh: { ...mesh, [axis]: 1 } }))];
      if (size === 1 || all < size * one) return [];
      return [
        `the ${size} members of ${axis} compute ${all} floating-point operations a step, and one alone ${one}: ` +
          `${size} x ${one} = ${size * one}, so that nothing is divided. Say what the members do not share (divides: ` +
          `"batch", "layers" or { dim }), or cut parameters that the model's crossings put together`,
      ];
    }),
  );
  fail(failures.flat());
}

async function plansPurely(options: TrainOptions): Promise<void> {
  const [a, b] = [await plan(options), await plan(options)].map(({ specs, stages, schedule, sent }) =>
    JSON.stringify({ specs, stages, schedule, sent }),
  );
  fail(a === b ? [] : [`two plans of the same options differ: ${a} and ${b}`]);
}

async function splitsPurely({ strategies = [] }: TrainOptions, training: TrainOptions): Promise<void> {
  const { specs, mesh } = await plan(training);
  for (const strategy of strategies) splitPurely(strategy, specs, mesh);
}

function splitPurely({ name, split }: Strategy, specs: readonly ParamSpec[], mesh: Mesh): void {
  const before = JSON.stringify(specs);
  const twice = [1, 2].map(() => JSON.stringify(specs.map((spec) => split?.(spec, mesh) ?? spec)));
  fail(twice[0] === twice[1] ? [] : [`${name}: split() gave two answers to one question`]);
  fail(JSON.stringify(specs) === before ? [] : [`${name}: split() changed the spec that it was given`]);
}

/** Both orders: one that `plan` refuses is no failure where the other one works. */
function together(cells: readonly Cell[], refused: boolean): void {
  const show = ({ first, second, kind, why }: Cell) => `${first}, ${second}: ${kind}: ${why}`;
  const refusals = cells.filter(({ kind }) => kind === "refused");
  const both = refusals.length === cells.length;
  if (both !== refused) fail(both ? refusals.map(show) : ["plan does not refuse it in both orders, as was said"]);
  fail(cells.filter(({ kind }) => kind === "wrong" || kind === "failed").map(show));
}

function fail(failures: readonly string[]): void {
  if (failures.length) throw new Error(failures.join("\n"));
}
