// Runs of tf.layers as segments: a layer computes with the tensors that it is handed in place of the weights that it owns.
import { type Everywhere, elements, type Segment, type Shape, segment } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";
import type { LayerRun, LayerWeight } from "./graph.ts";

/** Runs `use` while the weights are `values`; synchronous, so nobody sees them in between. */
function withWeights<T>(weights: readonly LayerWeight[], values: readonly tf.Tensor[], use: () => T): T {
  const own = weights.map(({ val }) => val);
  for (const [i, weight] of weights.entries()) weight.val = values[i]!;
  try {
    return use();
  } finally {
    for (const [i, weight] of weights.entries()) weight.val = own[i]!;
  }
}

const recurrent: readonly string[] = ["SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional", "ConvLSTM2D"];
/** Batch normalisation is carried with the statistics that it has. */
const trains = (layer: tf.layers.Layer): boolean => layer.getClassName() !== "BatchNormalization";

/** Products with each weight once a row of the output, or, in a recurrent layer, once a step; an embedding picks. */
function flops(kind: string, params: readonly Shape[], x: Shape, y: Shape): number {
  if (kind === "Embedding") return elements(y);
  const rows = recurrent.includes(kind) ? x[0]! * x[1]! : elements(y) / y.at(-1)!;
  return 2 * rows * params.reduce((n, shape) => n + (shape.length > 1 ? elements(shape) : 0), 0) + elements(y);
}

/** A run of a layer as a segment, under names for its weights. */
export function callSegment({ layer, weights }: LayerRun, params: readonly string[]): Segment<Everywhere, Everywhere> {
  const one = <T>(xs: readonly T[]): T | T[] => (xs.length === 1 ? xs[0]! : [...xs]);
  const kind = layer.getClassName();
  return segment({
    name: layer.name,
    params,
    run: (values, ...xs) =>
      withWeights(weights, values, () => layer.call(one(xs), { training: trains(layer) }) as tf.Tensor),
    shape: (shapes, ...xs) => {
      const shape = layer.computeOutputShape(one(xs.map((x) => [...x]))) as number[];
      return { shape, flops: flops(kind, shapes, xs[0]!, shape), kept: elements(shape) };
    },
  });
}
