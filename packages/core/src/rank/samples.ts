// Which samples a rank reads: those of the step, dealt to micros and to the ranks among which the batch is divided, in order.
// The same samples in every step on every mesh; one that does not fit is refused, by its number, side and value.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { axisSize, type Coords, rankOf } from "../mesh.ts";
import type { Field, Values } from "../model/model.ts";
import { elements, type Shape } from "../model/segment.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { positionOf } from "../plan/roles.ts";
import { withPatience } from "./patience.ts";

/** Where a microbatch stands in the run. */
export interface MicroAt {
  readonly step: number;
  readonly micro: number;
}

/** The number of the first sample of a microbatch, counted from the start of training. */
export function firstSample({ mesh, roles, batch, micros, microSize }: Plan, coords: Coords, at: MicroAt): number {
  const position = positionOf(roles.batch, mesh, coords).at;
  return at.step * batch + (position * micros + at.micro) * microSize;
}

/** A range of one dim. */
export interface Cut {
  readonly dim: number;
  readonly from: number;
  readonly to: number;
}

/** The elements of a row-major array within the ranges, in order. */
export function cutOut<V extends Values>(values: V, shape: Shape, cuts: readonly Cut[]): V {
  return cuts.reduce(
    ({ kept, size }, { dim, from, to }) => {
      const inner = elements(size.slice(dim + 1));
      const rows = elements(size.slice(0, dim));
      const next = new (kept.constructor as new (n: number) => V)(rows * (to - from) * inner);
      for (let row = 0; row < rows; row++) {
        const start = row * size[dim]! * inner;
        next.set(kept.subarray(start + from * inner, start + to * inner), row * (to - from) * inner);
      }
      return { kept: next, size: size.map((n, d) => (d === dim ? to - from : n)) };
    },
    { kept: values, size: shape },
  ).kept;
}

/** What a sample must be like. */
interface Expected {
  readonly index: number;
  readonly side: "input" | "target";
  readonly field: Field;
  /** Where the model takes indices: what they must be below. */
  readonly below: number | undefined;
}

/** Says what was given where numbers belong. */
function kindOf(given: unknown): string {
  if (given === undefined) return "missing";
  if (typeof given === "object" && given !== null && "dataId" in given) return "a tensor";
  return Array.isArray(given) ? "an array" : given === null ? "null" : `a ${given.constructor.name}`;
}

/** Where the first value is that a field cannot have; -1 where there is none. */
function firstOdd(values: Values, { below, field: { dtype } }: Expected): number {
  const [from, to] = below === undefined ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] : [0, below];
  const whole = below !== undefined || dtype === "int32";
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const right = whole ? Number.isInteger(value) : Number.isFinite(value);
    if (!right || value < from || value >= to) return i;
  }
  return -1;
}

/** Returns what was given, as numbers. Throws where it is none, has the wrong length, or a value that no tensor should see. */
export function checkSample(given: unknown, expected: Expected): Values {
  const { index, side, below } = expected;
  const { shape, dtype } = expected.field;
  const who = `data: the ${side} of sample ${index}`;
  if (!(given instanceof Float32Array || given instanceof Int32Array))
    throw new Error(`${who} is ${kindOf(given)}; give a Float32Array or an Int32Array`);
  if (given.length !== elements(shape))
    throw new Error(`${who} has ${given.length} values, and its shape [${shape.join(", ")}] takes ${elements(shape)}`);
  const odd = firstOdd(given, expected);
  if (odd < 0) return given;
  const must =
    below !== undefined
      ? `the model takes whole numbers from 0 to ${below - 1}`
      : dtype === "int32"
        ? "its dtype int32 takes whole numbers"
        : "a loss of it would be no number";
  throw new Error(`${who} has ${given[odd]} at place ${odd}: ${must}`);
}

interface SideOf {
  readonly side: "input" | "target";
  /** ms to wait for the data at most. */
  readonly limit: number;
}

/** One side of a microbatch as this rank sees it, `[microSize, ...field]`. Throws, by its number, for a sample that does not fit. */
export async function readSamples(
  { data, model, seed = 0 }: JobOptions,
  plan: Plan,
  coords: Coords,
  { side, limit, ...at }: MicroAt & SideOf,
): Promise<Tensor> {
  const { shape, dtype } = data[side];
  const cuts = Object.entries(plan.roles.dims).map(([axis, dim]): Cut => {
    const part = shape[dim]! / axisSize(plan.mesh, axis);
    return { dim, from: (coords[axis] ?? 0) * part, to: ((coords[axis] ?? 0) + 1) * part };
  });
  const local = shape.map((size, d) =>
    cuts.filter(({ dim }) => dim === d).reduce((_, { from, to }) => to - from, size),
  );
  const size = elements(local);
  const first = firstSample(plan, coords, at);
  const oldest = Math.max(0, at.step - 1) * plan.batch; // another rank of this thread may be a step behind
  const asked = Array.from({ length: plan.microSize }, (_, i) => data.sample(first + i, seed, oldest));
  const waits = (i: number, ms: number) =>
    `rank ${rankOf(plan.mesh, coords)} waits ${Math.round(ms / 1000)} s for sample ${first + i}: the data is slow`;
  const samples = await withPatience(asked, {
    say: (i, ms) => void process.stderr.write(`${waits(i, ms)}\n`),
    late: (i, ms) => new Error(`${waits(i, ms)}; give the transport a longer stall to wait on`),
    limit,
  });
  const values = new (dtype === "int32" ? Int32Array : Float32Array)(plan.microSize * size);
  for (const [i, sample] of samples.entries()) {
    const given = checkSample(sample?.[side], {
      index: first + i,
      side,
      field: data[side],
      below: model.indices?.[side],
    });
    values.set(cutOut(given, shape, cuts), i * size);
  }
  return tf.tensor(values, [plan.microSize, ...local], dtype);
}
