// Losses under tfjs's names, as sums over terms: the caller divides by their number over the batch of the whole mesh. What tfjs
// gives, a mean a sample, would be a mean of means.
// B samples, V classes
import { type Everywhere, elements, kernels, type Segment, type Shape, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { partsOf, takePart } from "./parts.ts";

/**
 * Compares targets with what the model gives, both `[B, ..]`, and sums over samples: a scalar; or `[2]`, the sum and the number of
 * its terms, where the model has one output.
 */
export type LossSum = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;

type Metric = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;

/** tfjs takes the mean along the last dim. */
const overLast =
  (metric: Metric): LossSum =>
  (target, output) =>
    metric(target, output).mul(output.shape.at(-1)!).sum();

const categorical: LossSum = (target, output) => tf.metrics.categoricalCrossentropy(target, output).sum();

const sparse: LossSum = (target, output) =>
  categorical(kernels.oneHot(target.flatten(), output.shape.at(-1)!), output.reshape([-1, output.shape.at(-1)!]));

const sums = {
  meanSquaredError: overLast(tf.metrics.meanSquaredError),
  meanAbsoluteError: overLast(tf.metrics.meanAbsoluteError),
  binaryCrossentropy: overLast(tf.metrics.binaryCrossentropy),
  categoricalCrossentropy: categorical,
  sparseCategoricalCrossentropy: sparse,
} satisfies Record<string, LossSum>;

/** Losses by tfjs's names. */
export type LossName = keyof typeof sums;
export const lossNames = Object.keys(sums) as readonly LossName[];
export const isLossName = (loss: unknown): loss is LossName => (lossNames as readonly unknown[]).includes(loss);

/** One output of a model and how it is measured. */
export interface Measured {
  readonly loss: LossName | LossSum;
  /** Dims of one sample. */
  readonly shape: Shape;
}

/** Takes class indices as targets. */
export const isSparse = (loss: LossName | LossSum): boolean => loss === "sparseCategoricalCrossentropy";

/** Shape of a target: of a class index, that of the output but for the classes. */
const targetShape = (at: Measured): Shape => (isSparse(at.loss) ? at.shape.slice(0, -1) : at.shape);

const measureOf = ({ loss }: Measured): LossSum => (typeof loss === "function" ? loss : sums[loss]);

function checkScalar(sum: tf.Tensor, alone: boolean): tf.Tensor {
  if (sum.rank === 0 || (alone && sum.size === 2)) return sum;
  throw new Error(
    `the loss is a tensor [${sum.shape.join(", ")}]: give its sum over samples, a scalar, or the sum and its terms, [2]; a mean would change with the mesh`,
  );
}

function checkTargets(outputs: readonly Measured[], target: Shape): void {
  const wanted = outputs.reduce((n, output) => n + elements(targetShape(output)), 0);
  const found = elements(target.slice(1));
  if (found === wanted) return;
  const shape = target.slice(1).join(", ");
  throw new Error(
    `the model's loss takes ${wanted} values a sample as target, and the data's have ${found}, [${shape}]`,
  );
}

/** Sums the losses of outputs and targets, packed where there are several: y `[B, ..]`, target `[B, ..]` -> a scalar. */
export function lossSegment(outputs: readonly Measured[]): Segment<Everywhere, Everywhere> {
  const ys = partsOf(outputs.map(({ shape }) => shape));
  const targets = partsOf(outputs.map(targetShape));
  /** A function alone may take targets of its own kind. */
  const own = outputs.length === 1 && typeof outputs[0]!.loss === "function";
  const sumOf = (at: Measured, i: number, y: tf.Tensor, target: tf.Tensor): tf.Tensor =>
    checkScalar(measureOf(at)(own ? target : takePart(target, targets[i]!), takePart(y, ys[i]!)), own);
  return segment({
    name: "loss",
    params: [],
    run: (_, y, target) => tf.addN(outputs.map((output, i) => sumOf(output, i, y!, target!))),
    shape: (_, y = [], target = []) => {
      if (!own) checkTargets(outputs, target);
      return { shape: [], flops: 5 * elements(y), kept: elements(y) };
    },
  });
}
