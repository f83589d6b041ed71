// Random sizes and numbers by a seed and a name: the same on every device and in every run with that seed.
import { fillUniform, randomKey, uniformInt } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** Numbers drawn once; a tensor is made of them on each device that is compared. */
export interface Drawn {
  readonly values: Float32Array | Int32Array;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
}

/** Draws in order: each call gives something else. */
export interface Draw {
  /** A whole number from `least` to `most`. */
  size(least: number, most: number): number;
  /** Numbers in -1 .. 1. */
  floats(...shape: number[]): Drawn;
  /** Numbers in 0.1 .. 1.1. */
  positive(...shape: number[]): Drawn;
  /** Whole numbers in 0 .. below - 1. */
  indices(below: number, ...shape: number[]): Drawn;
  /** 0 and 1. */
  bools(...shape: number[]): Drawn;
}

/** Opens what is drawn under one name. */
export function drawing(seed: number, name: string): Draw {
  const key = randomKey(seed, name);
  let next = 0;
  const uniform = (shape: readonly number[], map: (u: number) => number): Drawn => {
    const values = new Float32Array(tf.util.sizeFromShape([...shape]));
    fillUniform(randomKey(seed, `${name} ${next++}`), 0, values);
    return { values: values.map(map), shape, dtype: "float32" };
  };
  const whole = (below: number, shape: readonly number[]): Int32Array =>
    Int32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => uniformInt(key, next++, below));
  return {
    size: (least, most) => least + uniformInt(key, next++, most - least + 1),
    floats: (...shape) => uniform(shape, (u) => 2 * u - 1),
    positive: (...shape) => uniform(shape, (u) => 0.1 + u),
    indices: (below, ...shape) => ({ values: whole(below, shape), shape, dtype: "int32" }),
    bools: (...shape) => ({ values: whole(2, shape), shape, dtype: "bool" }),
  };
}

/** Makes a tensor on whatever backend is current. */
export const tensorOf = ({ values, shape, dtype }: Drawn): tf.Tensor => tf.tensor(values.slice(), [...shape], dtype);
