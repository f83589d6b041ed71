// One batch and any weights for the GPT of the cpu benchmark, on the current backend.
import * as tf from "@tensorflow/tfjs";
import { batch, benchModel, sizes } from "../cpu-model.ts";

/** Inputs and targets of one step, `[B, T]`, int32. */
export async function batchTensors() {
  const { data } = benchModel();
  const samples = await Promise.all(Array.from({ length: batch }, (_, i) => data.sample(i, 0)));
  const stack = (side: "input" | "target") =>
    tf.tensor2d(
      samples.map((sample) => [...sample[side]]),
      [batch, sizes.context],
      "int32",
    );
  return { input: stack("input"), target: stack("target") };
}

/** Draws values for every parameter; what they are does not change the time. */
export function anyWeights(): Map<string, Float32Array> {
  const named = benchModel().model.layers.flatMap(({ name, params }) =>
    params.map((p) => ({ name: `${name}.${p.name}`, size: p.shape.reduce((n, d) => n * d, 1) })),
  );
  return new Map(
    named.map(({ name, size }) => [name, Float32Array.from({ length: size }, (_, i) => Math.sin(i) / 50)]),
  );
}
