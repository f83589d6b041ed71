// The differential test: many meshes against one device, which has no mesh, no strategy and the same global batch.
// Same dp and tp must give the same bits; everything must agree within a tolerance; bytes must be those of `cost()`.
import {
  type Data,
  type DeviceChoice,
  type Model,
  memory,
  type Optimizer,
  type TrainOptions,
  type Transport,
} from "@orthant/core";
import type { Case } from "./case.ts";
import { accountingFailures, type Errors, errorsBetween } from "./compare.ts";
import { type MeshCase, showCase, strategiesOf } from "./grid.ts";
import { type Observed, observe } from "./observe.ts";
import { tinyGpt, tinySequences } from "./tiny.ts";

/** Options of the differential suite. */
export interface DifferentialOptions {
  readonly cases: readonly MeshCase[];
  /** The optimizer of all runs. With "adamw" losses alone are compared: it turns the rounding of a gradient near zero into full steps. */
  readonly optimizer: Optimizer;
  readonly steps: number;
  readonly clip?: number;
  /** A tiny GPT of 4 blocks by default. */
  readonly model?: Model;
  readonly data?: Data;
  /** Divisible by micros x every dp: 12 by default. */
  readonly batch?: number;
  /** The same for all cases, so that the same dp and tp give the same bits: 2 by default. */
  readonly micros?: number;
  readonly device?: DeviceChoice;
  /** The one device to compare with: of the same kind by default. */
  readonly reference?: DeviceChoice;
  /** Largest relative error allowed: 1e-5 by default. */
  readonly tolerance?: number;
  /** What carries the frames of cases on threads: each worker must train with `caseOptions` of the same case. */
  readonly threads?: (at: MeshCase) => Transport;
}

export interface Row extends Errors {
  readonly name: string;
  readonly ranks: number;
  readonly bytes: Readonly<Record<string, number>>;
  readonly ms: number;
  /** What must not be; empty where the case holds. */
  readonly failures: readonly string[];
}

/** Runs the cases in order; every row tells on its own whether its case holds. `onRow` hears each as it is done. */
export async function differential(options: DifferentialOptions, onRow?: (row: Row) => void): Promise<Row[]> {
  const compare = comparison(options);
  const rows: Row[] = [];
  for (const at of options.cases) {
    const row = await compare(at);
    rows.push(row);
    onRow?.(row);
  }
  return rows;
}

/** The same as cases for a test runner. */
export function differentialCases(options: DifferentialOptions, onRow?: (row: Row) => void): Case[] {
  const compare = comparison(options);
  return options.cases.map((at) => ({
    name: `${options.optimizer.name} ${showCase(at)}`,
    async run() {
      const row = await compare(at);
      onRow?.(row);
      if (row.failures.length) throw new Error(row.failures.join("\n"));
    },
  }));
}

/** The run on one device. */
function alone({
  optimizer,
  steps,
  clip,
  device,
  model = tinyGpt(),
  data = tinySequences(),
  batch = 12,
}: DifferentialOptions): TrainOptions {
  return {
    model,
    data,
    batch,
    optimizer,
    steps,
    run: false,
    quiet: true,
    ...(clip && { clip }),
    ...(device && { device }),
  };
}

/** The run of one case: the same, with a mesh and strategies. */
export function caseOptions(options: DifferentialOptions, at: MeshCase): TrainOptions {
  const { pp, dp, tp, recompute = false } = at;
  const { micros = 2 } = options;
  return { ...alone(options), mesh: { pp, dp, tp }, strategies: strategiesOf(at, micros), recompute, collect: true };
}

function transportOf({ threads }: DifferentialOptions, at: MeshCase): Transport {
  if (at.host !== "threads") return memory();
  if (!threads)
    throw new Error(`${showCase(at)}: give the option threads, a transport whose workers train with caseOptions()`);
  return threads(at);
}

/** The losses that the first case of its (dp, tp) had. */
interface Curve {
  readonly name: string;
  readonly losses: readonly number[];
}

/** Compares one case; runs the one device once, and remembers the bits of each (dp, tp). */
function comparison(options: DifferentialOptions): (at: MeshCase) => Promise<Row> {
  const { tolerance = 1e-5, optimizer, reference } = options;
  const curves = new Map<string, Curve>();
  let onOne: Promise<Observed> | undefined;
  return async (at) => {
    onOne ??= observe(alone({ ...options, ...(reference && { device: reference }) }), memory());
    const expected = await onOne;
    const from = performance.now();
    const name = showCase(at);
    const key = `${at.dp} ${at.tp}`;
    const found = await observe(caseOptions(options, at), transportOf(options, at));
    const errors = errorsBetween(found, expected);
    const first = curves.get(key) ?? { name, losses: found.losses };
    curves.set(key, first);
    const failures = [
      ...toleranceFailures(errors, tolerance, optimizer.name === "adamw"),
      ...bitFailures(found.losses, first),
      ...accountingFailures(found),
    ];
    return {
      ...errors,
      name,
      ranks: found.plan.ranks.length,
      bytes: found.sent,
      ms: performance.now() - from,
      failures,
    };
  };
}

/** Errors above `tolerance`, in words. */
export function toleranceFailures(errors: Errors, tolerance: number, lossOnly: boolean): string[] {
  const kinds = lossOnly ? (["loss"] as const) : (["loss", "gradient", "parameter"] as const);
  const where = lossOnly ? "" : `; worst: ${errors.at}`;
  const over = kinds.filter((kind) => !((errors[kind] ?? 0) <= tolerance));
  return over.map((kind) => `${kind} error ${errors[kind]?.toExponential(1)} is over ${tolerance}${where}`);
}

function bitFailures(losses: readonly number[], first: Curve): string[] {
  const step = losses.findIndex((loss, i) => !Object.is(loss, first.losses[i]));
  return step < 0
    ? []
    : [
        `the loss of step ${step} is ${losses[step]}; ${first.name} has ${first.losses[step]}: the bits must be the same`,
      ];
}
