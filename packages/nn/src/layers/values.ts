// First values of a tf.LayersModel, the same in every worker: each runs the script for itself, and tfjs draws other numbers in each.
import { createHash } from "node:crypto";
import type { Init } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** A model's architecture, as `toJSON` gives it. */
export type Topology = NonNullable<tf.io.ModelArtifacts["modelTopology"]>;

const digest = (what: string | Uint8Array): Buffer => createHash("sha256").update(what).digest();

/** A copy in which every initializer that draws has a seed, by `seed` and its place. */
function seeded(value: unknown, seed: number, at = ""): unknown {
  if (Array.isArray(value)) return value.map((item, i) => seeded(item, seed, `${at}/${i}`));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) =>
      name === "seed"
        ? [name, digest(`${seed} ${at}`).readUInt32LE() >>> 1]
        : [name, seeded(item, seed, `${at}/${name}`)],
    ),
  );
}

export const topologyOf = (model: tf.LayersModel): Topology => model.toJSON(undefined, false) as unknown as Topology;

/** Builds the model once more; its first values follow from `seed` alone, as its initializers say. */
export const rebuilt = (topology: Topology, seed: number): Promise<tf.LayersModel> =>
  tf.loadLayersModel({ load: async () => ({ modelTopology: seeded(topology, seed) as Topology }) });

const readAll = (tensors: readonly tf.Tensor[]): Promise<Float32Array[]> =>
  Promise.all(tensors.map(async (x) => Float32Array.from(await x.data())));

export const readWeights = (model: tf.LayersModel): Promise<Float32Array[]> => readAll(model.getWeights());

const constant = (values: Float32Array): boolean => values.every((v) => v === values[0]);

/** Where the first values come from. */
export type Start = "seed" | "values";

/**
 * Tells a model that was trained from one as it was made: there, what starts constant (biases, gains) is still so; `made` is that
 * model made anew. Throws where nothing starts constant.
 */
export function startOf(values: readonly Float32Array[], made: readonly Float32Array[]): Start {
  const marks = made.flatMap((first, i) => (constant(first) && (first[0] === 0 || first[0] === 1) ? [i] : []));
  if (made.length && !marks.length)
    throw new Error(
      `fromLayersModel: no weight starts constant, as biases do, so a trained model looks like a new one: ` +
        `say start: "values" to train on from its weights, or start: "seed" to draw new ones`,
    );
  return marks.every((i) => constant(values[i]!) && values[i]![0] === made[i]![0]) ? "seed" : "values";
}

/** First values as a parameter's. */
export const toInit = (values: Float32Array): Init =>
  constant(values)
    ? { kind: "constant", value: values[0] ?? 0 }
    : { kind: "values", values: () => values, sum: digest(new Uint8Array(values.buffer)).toString("hex").slice(0, 12) };
