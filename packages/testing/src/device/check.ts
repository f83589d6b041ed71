// What is compared between two devices: a function of drawn inputs, and its gradients by them.
import * as tf from "@tensorflow/tfjs";
import type { Draw, Drawn } from "./draw.ts";

type T = tf.Tensor;
export type Outputs = T | T[];

/** One computation, on inputs that are drawn once. */
export interface Check {
  readonly inputs: readonly Drawn[];
  /** Synchronous: it runs on whatever backend is current. */
  readonly run: (...xs: T[]) => Outputs;
}

/** A check by name, drawn anew for every seed. */
export type Named = readonly [name: string, make: (draw: Draw) => Check];

export const on = (run: (...xs: T[]) => Outputs, ...inputs: Drawn[]): Check => ({ inputs, run });

/** Numbers that stand for a gradient which comes from above. */
const slope = ({ shape, size }: T): T =>
  tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.cos(1 + 3 * i)),
    shape,
  );

/** The function's output, and its gradients by the float inputs. */
export function differentiated(f: (...xs: T[]) => T, ...inputs: Drawn[]): Check {
  const floats = inputs.flatMap(({ dtype }, i) => (dtype === "float32" ? [i] : []));
  const run = (...xs: T[]): T[] => {
    const with_ = (ys: T[]): T[] => xs.map((x, i) => ys[floats.indexOf(i)] ?? x);
    const loss = (...ys: T[]): tf.Scalar => {
      const y = f(...with_(ys));
      return y.mul(slope(y)).sum();
    };
    return [f(...xs), ...tf.grads(loss)(floats.map((i) => xs[i]!))];
  };
  return { inputs, run };
}
