// Every kind of layer in tf.layers that has a gradient: its output, and its gradients by inputs and weights.
import * as tf from "@tensorflow/tfjs";
import type { Check, Named } from "./check.ts";
import type { Draw } from "./draw.ts";
import { type LayerKind, layerKinds } from "./layer-kinds.ts";

/** Weights from drawn numbers, one after the other; a variance is not negative. */
function fill(layer: tf.layers.Layer, numbers: Float32Array): void {
  let from = 0;
  const next = ({ shape, size }: tf.Tensor): tf.Tensor => {
    const values = Float32Array.from({ length: size }, (_, i) => Math.abs(numbers[(from + i) % numbers.length]!));
    from += size;
    return tf.tensor(values, shape);
  };
  layer.setWeights(tf.tidy(() => layer.getWeights().map(next)));
}

/** What the layer gives, and the gradients of its sum, weighted, by inputs and by weights. */
function trained(
  { make, shape, below, merges = false }: LayerKind,
  numbers: Float32Array,
  xs: tf.Tensor[],
): tf.Tensor[] {
  const symbols = xs.map(() => tf.input({ shape: [...shape] }));
  const layer = make();
  const model = tf.model({
    inputs: symbols,
    outputs: layer.apply(merges ? symbols : symbols[0]!) as tf.SymbolicTensor,
  });
  fill(layer, numbers);
  const apply = (given: tf.Tensor[]) => model.apply(given, { training: true }) as tf.Tensor;
  const loss = (...given: tf.Tensor[]): tf.Scalar => {
    const y = apply(given);
    const slopes = Float32Array.from({ length: y.size }, (_, i) => Math.cos(1 + 3 * i));
    return y.mul(tf.tensor(slopes, y.shape)).sum();
  };
  const variables = model.trainableWeights.map((w) => w.read() as tf.Variable);
  const byWeight = variables.length ? Object.values(tf.variableGrads(() => loss(...xs), variables).grads) : [];
  const all = [apply(xs), ...(below ? [] : tf.grads(loss)(xs)), ...byWeight];
  model.dispose();
  return all;
}

const checkOf =
  (kind: LayerKind) =>
  (draw: Draw): Check => {
    const { shape, below, merges = false, samples = 3 } = kind;
    const input = () => (below ? draw.indices(below, samples, ...shape) : draw.floats(samples, ...shape));
    const inputs = merges ? [input(), input()] : [input()];
    const numbers = draw.positive(257).values as Float32Array;
    return { inputs, run: (...xs) => trained(kind, numbers, xs) };
  };

export const layerChecks: readonly Named[] = Object.entries(layerKinds).map(([name, kind]) => [
  `tf.layers: ${name}`,
  checkOf(kind),
]);
