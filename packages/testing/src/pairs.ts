// Two strategies on one mesh against one device, or against those of them whose numbers are their own by design: each refused
// by `plan`, or right. `npm run test:pairs` goes through all pairs.
import { axisSize, type Mesh, type Plan, plan, type Strategy, sgd, type TrainOptions } from "@orthant/core";
import { accountingFailures, type Errors, errorsBetween, heldFailures } from "./compare.ts";
import { toleranceFailures } from "./differential.ts";
import type { Features, Fixture, Placed } from "./fixture/fixture.ts";
import { fixtureData, fixtureModel } from "./fixture/model.ts";
import { type Observed, observe } from "./observe.ts";

/** What came of one pair. */
export interface Cell {
  readonly first: string;
  readonly second: string;
  /** "refused" by plan, before anything ran; "failed" where the run ended with an error. */
  readonly kind: "ok" | "refused" | "wrong" | "failed";
  /** Worst error of losses, gradients and parameters, relative; undefined where nothing ran. */
  readonly error?: number;
  /** Reason of a refusal, or what is wrong; empty where all is well. */
  readonly why: string;
}

/** The training that pairs go through, on one device: SGD with momentum, clipped, 4 steps of 2 micros. */
export const pairTraining = (features: Features): TrainOptions => ({
  model: fixtureModel(features),
  data: fixtureData,
  batch: 32,
  micros: 2,
  optimizer: sgd({ lr: 0.03, momentum: 0.9 }),
  clip: 1,
  steps: 4,
  run: false,
  quiet: true,
});

const batchAxes = ({ strategies }: Placed): string[] =>
  strategies.flatMap(({ axis, divides }) => (axis !== undefined && divides === "batch" ? [axis] : []));

/** Puts two fixtures side by side, each at `size`, the first one's strategies before the second's. */
export function placePair(first: Fixture, second: Fixture, size = 2): Placed {
  const alone = second.make({ size, batch: "second", beside: [] });
  const a = first.make({ size, batch: "first", beside: batchAxes(alone) });
  const b = second.make({ size, batch: "second", beside: batchAxes(a) });
  return { mesh: { ...a.mesh, ...b.mesh }, strategies: [...a.strategies, ...b.strategies] };
}

/** The features of both models. */
export const featuresOf = (...fixtures: readonly Fixture[]): Features =>
  Object.assign({}, ...fixtures.map(({ features }) => features));

const isApart = (strategies: readonly Strategy[], axis: string) =>
  strategies.some((s) => s.axis === axis && s.independent);

/**
 * What a mesh of these fixtures is compared with: those that have numbers of their own, each axis of one member but for those
 * whose members train for themselves, of which the outermost has all. One device where there are none.
 */
export function referenceOf(fixtures: readonly Fixture[], size = 2): Placed {
  const placed = fixtures.flatMap((fixture, i) =>
    fixture.ownNumbers ? [fixture.make({ size, batch: ["first", "second"][i]!, beside: [] })] : [],
  );
  const strategies = placed.flatMap((p) => p.strategies);
  const mesh: Mesh = Object.assign({}, ...placed.map((p) => p.mesh));
  const apart = Object.keys(mesh).filter((axis) => isApart(strategies, axis));
  const members = apart.reduce((n, axis) => n * axisSize(mesh, axis), 1);
  return {
    mesh: Object.fromEntries(Object.keys(mesh).map((axis) => [axis, axis === apart[0] ? members : 1])),
    strategies,
  };
}

/** The most that the numbers of these fixtures may differ from the reference, relative. */
export const toleranceOf = (fixtures: readonly Fixture[]): number =>
  Math.max(1e-5, ...fixtures.map(({ tolerance = 0 }) => tolerance));

/** What is wrong with a run, in words; nothing where all is well. */
export function failuresOf(found: Observed, errors: Errors, tolerance: number): string[] {
  return [...toleranceFailures(errors, tolerance, false), ...accountingFailures(found), ...heldFailures(found)];
}

/** Runs pairs; remembers the references, which many pairs share. */
export function pairRunner(training: (features: Features) => TrainOptions = pairTraining) {
  const references = new Map<string, Promise<Observed>>();
  const reference = (fixtures: readonly Fixture[]): Promise<Observed> => {
    const features = featuresOf(...fixtures);
    const own = fixtures.map(({ name, ownNumbers }) => (ownNumbers ? name : ""));
    const key = JSON.stringify([Object.entries(features).toSorted(), own]);
    const known = references.get(key) ?? observe({ ...training(features), ...referenceOf(fixtures) });
    references.set(key, known);
    return known;
  };
  return async (first: Fixture, second: Fixture): Promise<Cell> => {
    const both = { first: first.name, second: second.name };
    const options = { ...training(featuresOf(first, second)), ...placePair(first, second) };
    const refusal = await refusalOf(options);
    if (refusal !== undefined) return { ...both, kind: "refused", why: refusal };
    const expected = await reference([first, second]);
    return observe(options).then(
      (found) => ({ ...both, ...judge(found, expected, toleranceOf([first, second])) }),
      (error: Error) => ({ ...both, kind: "failed", why: error.stack ?? error.message }),
    );
  };
}

/** Why `plan` refuses, if it does. */
export const refusalOf = (options: TrainOptions): Promise<string | undefined> =>
  plan(options).then(
    (_: Plan) => undefined,
    (error: Error) => error.message,
  );

function judge(found: Observed, expected: Observed, tolerance: number): Pick<Cell, "kind" | "error" | "why"> {
  const errors = errorsBetween(found, expected);
  const failures = failuresOf(found, errors, tolerance);
  const error = Math.max(errors.loss, errors.gradient ?? 0, errors.parameter);
  return { kind: failures.length ? "wrong" : "ok", error, why: failures.join("\n") };
}
