// tfjs's Adam with all variables in one launch on this backend (Kingma and Ba 2015): its own asks for fourteen kernels a variable, most of
// a small model's step.
import * as tf from "@tensorflow/tfjs";
import { backendName } from "../table.ts";

interface Moment {
  readonly variable: tf.Variable;
}

/** tfjs 4's optimizer, as far as its update needs it. */
interface Adam {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly iterations: number;
  readonly accumulatedFirstMoment: readonly Moment[];
  readonly accumulatedSecondMoment: readonly Moment[];
  readonly accBeta1: tf.Variable;
  readonly accBeta2: tf.Variable;
  incrementIterations(): void;
}

type Gradients = tf.NamedTensorMap | readonly { readonly name: string; readonly tensor: tf.Tensor }[];

/** A variable with what becomes of it. */
interface Part {
  readonly value: tf.Variable;
  readonly gradient: tf.Tensor;
  readonly m: tf.Variable;
  readonly v: tf.Variable;
}

const pairs = (gradients: Gradients): (readonly [name: string, tensor: tf.Tensor | null])[] =>
  Array.isArray(gradients) ? gradients.map(({ name, tensor }) => [name, tensor]) : Object.entries(gradients);

/** What is to be updated; undefined where tfjs must make moments first, or where not all is float32. */
function partsOf(adam: Adam, gradients: Gradients): Part[] | undefined {
  const parts: Part[] = [];
  for (const [i, [name, gradient]] of pairs(gradients).entries()) {
    const value = tf.engine().registeredVariables[name];
    const [m, v] = [adam.accumulatedFirstMoment[i]?.variable, adam.accumulatedSecondMoment[i]?.variable];
    if (!value || !m || !v || value.dtype !== "float32") return undefined;
    if (gradient) parts.push({ value, gradient, m, v });
  }
  return parts;
}

function together(adam: Adam, parts: readonly Part[]): void {
  const { beta1, beta2, epsilon: eps, learningRate, iterations } = adam;
  const [biased1, biased2] = [1 - beta1 ** (iterations + 1), 1 - beta2 ** (iterations + 1)];
  const step = { beta1, beta2, eps, rate: learningRate / biased1, unbias2: 1 / biased2, scale: 1 };
  tf.tidy(() => {
    const xs = parts.flatMap(({ value, gradient, m, v }) => [value, gradient, m, v]);
    const attrs = { ...step, keep: parts.map(() => 1) } as unknown as tf.NamedAttrMap;
    const ys = tf.engine().runKernel("orthant.adamwAll", xs as unknown as tf.NamedTensorMap, attrs) as tf.Tensor[];
    for (const [i, { value, m, v }] of parts.entries())
      for (const [k, variable] of [value, m, v].entries()) variable.assign(ys[3 * i + k]!);
    adam.accBeta1.assign(tf.mul(adam.accBeta1, beta1));
    adam.accBeta2.assign(tf.mul(adam.accBeta2, beta2));
  });
  adam.incrementIterations();
}

/** Has tfjs's Adam update all variables together where this backend computes; elsewhere it stays as it is. */
export function fuseAdam(): void {
  const { prototype } = tf.AdamOptimizer;
  const { applyGradients } = prototype;
  prototype.applyGradients = function (this: tf.AdamOptimizer, gradients): void {
    const adam = this as unknown as Adam;
    const parts = tf.getBackend() === backendName ? partsOf(adam, gradients) : undefined;
    if (parts?.length) together(adam, parts);
    else applyGradients.call(this, gradients);
  };
}
