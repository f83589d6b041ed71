// Which samples a rank reads: those of the step, dealt to data-parallel ranks and micros in order. The same samples in
// every step on every mesh.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Coords } from "../mesh.ts";
import { elements } from "../model/segment.ts";
import type { TrainOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";

/** Where a microbatch stands in the run. */
export interface MicroAt {
  readonly step: number;
  readonly micro: number;
}

/** One side of a microbatch, `[microSize, ...field]`. */
export function readSamples(
  options: TrainOptions,
  plan: Plan,
  coords: Coords,
  at: MicroAt,
  side: "input" | "target",
): Tensor {
  const { data, batch, seed = 0 } = options;
  const { shape, dtype } = data[side];
  const { micros, microSize } = plan;
  const first = at.step * batch + ((coords.dp ?? 0) * micros + at.micro) * microSize;
  const size = elements(shape);
  const values = new (dtype === "int32" ? Int32Array : Float32Array)(microSize * size);
  for (let i = 0; i < microSize; i++) values.set(data.sample(first + i, seed)[side], i * size);
  return tf.tensor(values, [microSize, ...shape], dtype);
}
