// Samples to evaluate, read where the loop that drives the run is, and checked there: one that does not fit ends no run.
import type { Data, Values } from "../../model/model.ts";
import { elements } from "../../model/segment.ts";
import type { JobOptions } from "../../plan/options.ts";
import { checkSample } from "../samples.ts";
import type { Batch } from "./evaluate.ts";

const sides = ["input", "target"] as const;

const show = ({ shape, dtype }: Data["input"]): string => `${dtype} [${shape.join(", ")}]`;

/** Refuses data of another kind than the run trains on, and samples that do not make whole batches. */
export function checkEvaluation(
  held: Data,
  samples: number,
  { data, batch }: Pick<JobOptions, "data" | "batch">,
): void {
  if (!(held?.sample instanceof Function))
    throw new Error("evaluate(data, samples): give data such as train's option data is");
  for (const side of sides)
    if (show(held[side]) !== show(data[side]))
      throw new Error(`evaluate(): its data's ${side} is ${show(held[side])}, the training's ${show(data[side])}`);
  if (Number.isInteger(samples) && samples > 0 && samples % batch === 0) return;
  const below = Math.floor(samples / batch) * batch;
  throw new Error(
    `evaluate(): ${samples} samples are no whole batches of ${batch}: give ${below > 0 ? `${below} or ` : ""}${Math.max(0, below || 0) + batch}`,
  );
}

/** Reads samples `first` to `first + count`, one after the other. Throws, by its number, for one that does not fit. */
export async function readBatch(
  held: Data,
  first: number,
  count: number,
  { model, data, seed = 0 }: Pick<JobOptions, "model" | "data" | "seed">,
): Promise<Batch> {
  const samples = await Promise.all(Array.from({ length: count }, (_, i) => held.sample(first + i, seed, first)));
  const packed = (side: (typeof sides)[number]): Values => {
    const field = data[side];
    const size = elements(field.shape);
    const values = new (field.dtype === "int32" ? Int32Array : Float32Array)(count * size);
    for (const [i, sample] of samples.entries()) {
      const expected = { index: first + i, side, field, below: model.indices?.[side] };
      values.set(checkSample(sample?.[side], expected), i * size);
    }
    return values;
  };
  return { input: packed("input"), target: packed("target") };
}
