// Every kind of layer in tf.layers trains on wasm as on the cpu backend: the same output, and gradients by its weights and its
// input. What tfjs itself has no gradient for is not here.
import { type LayerKind, layerKinds } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useDevice } from "../src/index.ts";
import { inputs } from "./functions.ts";

let before = 0;
beforeEach(async () => {
  await useDevice("wasm");
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const fixed = (shapes: (readonly number[])[]) => inputs({ name: "", f: () => tf.scalar(0), shapes });

/** Output, then gradients by inputs and by weights, as numbers. */
function trained({ make, shape, below, merges = false, samples = 3 }: LayerKind): Float32Array[] {
  const symbols = [0, 1].slice(merges ? 0 : 1).map(() => tf.input({ shape: [...shape] }));
  const layer = make();
  const model = tf.model({
    inputs: symbols,
    outputs: layer.apply(merges ? symbols : symbols[0]!) as tf.SymbolicTensor,
  });
  const values = tf.tidy(() => {
    layer.setWeights(fixed(layer.getWeights().map((w) => w.shape)).map((w) => w.abs())); // a variance is not negative
    const xs = fixed(symbols.map(() => [samples, ...shape])).map((x) =>
      below ? x.abs().mul(below).floor().toInt() : x,
    );
    const apply = (given: tf.Tensor[]) => model.apply(given, { training: true }) as tf.Tensor;
    const [dy] = fixed([tf.tidy(() => apply(xs)).shape]);
    const loss = (...given: tf.Tensor[]): tf.Scalar => apply(given).mul(dy!).sum();
    const variables = model.trainableWeights.map((w) => w.read() as tf.Variable);
    const byWeight = variables.length ? Object.values(tf.variableGrads(() => loss(...xs), variables).grads) : [];
    return [apply(xs), ...(below ? [] : tf.grads(loss)(xs)), ...byWeight].map((x) => x.dataSync() as Float32Array);
  });
  model.dispose();
  return values;
}

test.each(Object.entries(layerKinds))("%s", async (_, kind) => {
  const found = trained(kind);
  await useDevice("cpu");
  const expected = trained(kind);
  await useDevice("wasm");
  expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  for (const [i, values] of found.entries()) {
    const size = expected[i]!.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    const errors = values.map((v, j) => Math.abs(v - expected[i]![j]!));
    expect(errors.reduce((most, error) => Math.max(most, error), 0) / size).toBeLessThan(2e-5);
  }
});
