// Which samples a rank reads: those of the step, dealt to micros and to the ranks among which the batch is divided, in order.
// The same samples in every step on every mesh.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { axisSize, type Coords } from "../mesh.ts";
import type { Values } from "../model/model.ts";
import { elements, type Shape } from "../model/segment.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { positionOf } from "../plan/roles.ts";

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

/** One side of a microbatch as this rank sees it, `[microSize, ...field]`. */
export function readSamples(
  { data, seed = 0 }: JobOptions,
  plan: Plan,
  coords: Coords,
  at: MicroAt,
  side: "input" | "target",
): Tensor {
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
  const values = new (dtype === "int32" ? Int32Array : Float32Array)(plan.microSize * size);
  for (let i = 0; i < plan.microSize; i++)
    values.set(cutOut(data.sample(first + i, seed)[side], shape, cuts), i * size);
  return tf.tensor(values, [plan.microSize, ...local], dtype);
}
