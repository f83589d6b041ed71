// What the tests of segments share: inputs drawn by a fixed rule, output and gradients of a function as plain arrays,
// the error between two of those, and the elements that a segment holds between forward and backward.
import * as tf from "@tensorflow/tfjs";
import type { Case } from "./cases.ts";

export type Run = (params: readonly tf.Tensor[], ...xs: readonly tf.Tensor[]) => tf.Tensor;

/** Values in [-1, 1) that repeat: a linear congruential generator (Numerical Recipes). */
function drawn(size: number, seed: number): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export function tensors({ params, inputs, indices = {} }: Case): { weights: tf.Tensor[]; xs: tf.Tensor[] } {
  const float = (shape: readonly number[], i: number): tf.Tensor => tf.tensor(drawn(size(shape), i + 1), [...shape]);
  const index = (shape: readonly number[], below: number): tf.Tensor =>
    tf.tensor(
      Int32Array.from(drawn(size(shape), 99), (v) => Math.floor((v / 2 + 0.5) * below)),
      [...shape],
      "int32",
    );
  const input = (shape: readonly number[], i: number): tf.Tensor => {
    const below = indices[i];
    return below === undefined ? float(shape, params.length + i) : index(shape, below);
  };
  return { weights: params.map(float), xs: inputs.map(input) };
}

/** Output and the gradient by every float input, on `backend`, under an output gradient that differs by element. */
export async function gradients(backend: string, run: Run, at: Case): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  const { weights, xs } = tensors(at);
  const all = [...weights, ...xs];
  const float = all.filter((x) => x.dtype === "float32");
  const results = tf.tidy(() => {
    const f = (): tf.Tensor => run(weights, ...xs);
    const y = f();
    const dy = tf.tensor(drawn(y.size, 7), y.shape);
    return [y, ...tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)(float, dy)];
  });
  const values = await Promise.all(results.map((x) => x.data()));
  tf.dispose([...results, ...all]);
  return values as Float32Array[];
}

/** The largest absolute value among several tensors. */
export const largest = (tensors: readonly Float32Array[]): number =>
  tensors.reduce((most, values) => values.reduce((max, v) => Math.max(max, Math.abs(v)), most), 0);

/**
 * Largest difference, relative to the tensor's largest value, or to a tenth of `overall` where that is more: the
 * gradient of a key bias is zero but for rounding, which has the size of what cancels, not of what is left.
 */
export function worstError(found: Float32Array, expected: Float32Array, overall: number): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const scale = Math.max(largest([expected]), overall / 10);
  return expected.reduce((max, v, i) => Math.max(max, Math.abs(v - found[i]!)), 0) / scale;
}

interface Engine {
  startTape(): void;
  endTape(): void;
  readonly state: { activeTape: { saved?: tf.Tensor[] }[] | null };
}

/** Runs the forward with the tape open; counts the saved elements whose memory is that of no input. */
export function keptElements(run: Run, at: Case): { shape: number[]; kept: number } {
  const engine = tf.engine() as unknown as Engine;
  const { weights, xs } = tensors(at);
  engine.startTape();
  const y = tf.tidy(() => run(weights, ...xs));
  const saved = (engine.state.activeTape ?? []).flatMap((node) => node.saved ?? []);
  engine.endTape();
  engine.state.activeTape = null;
  const held = new Set([...weights, ...xs].map((x) => x.dataId));
  const kept = new Map(saved.filter((x) => !held.has(x.dataId)).map((x) => [x.dataId, x.size]));
  const answer = { shape: y.shape, kept: [...kept.values()].reduce((n, k) => n + k, 0) };
  tf.dispose([...saved, y, ...weights, ...xs]);
  return answer;
}
