// Random inputs of kernels: drawn once, made into tensors on each backend that is compared.
import * as tf from "@tensorflow/tfjs";

/** Numbers in -1 .. 1 and a shape: a tensor is made of them on whatever backend is current. */
export interface Drawn {
  readonly values: readonly number[];
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
}

export const floats = (...shape: number[]): Drawn => draw(shape, "float32", () => 2 * Math.random() - 1);
export const positive = (...shape: number[]): Drawn => draw(shape, "float32", () => 0.1 + 2 * Math.random());
export const integers = (most: number, ...shape: number[]): Drawn =>
  draw(shape, "int32", () => Math.floor(most * Math.random()));
export const bools = (...shape: number[]): Drawn => draw(shape, "bool", () => Number(Math.random() < 0.5));

export const draw = (shape: number[], dtype: Drawn["dtype"], value: () => number): Drawn => ({
  values: Array.from({ length: shape.reduce((n, d) => n * d, 1) }, value),
  shape,
  dtype,
});

export const tensor = ({ values, shape, dtype }: Drawn): tf.Tensor => tf.tensor([...values], [...shape], dtype);
