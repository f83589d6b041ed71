// Samples that are in memory: rows of numbers in, rows of numbers or class indices out.
import { type Data, elements, type Values } from "@orthant/core";
import { rowOf } from "./rows.ts";

/** Options of `arrays()`. */
export interface ArraysOptions {
  /** One vector a sample, all of one length. */
  readonly inputs: readonly (readonly number[])[];
  /** One vector a sample, or one class index a sample. */
  readonly targets: readonly (readonly number[])[] | readonly number[];
}

function width(rows: readonly (readonly number[])[], what: string): number {
  const length = rows[0]!.length;
  const odd = rows.findIndex((row) => row.length !== length);
  if (odd >= 0)
    throw new Error(`arrays({ ${what} }): row ${odd} has ${rows[odd]!.length} values and row 0 has ${length}`);
  return length;
}

function checkClasses(targets: readonly unknown[]): void {
  const odd = targets.findIndex((label) => !Number.isInteger(label) || (label as number) < 0);
  if (odd >= 0) throw new Error(`arrays({ targets }): row ${odd} is ${targets[odd]}; a class is a whole number from 0`);
}

/** Throws where inputs and targets differ in number or rows in length. */
export function arrays({ inputs, targets }: ArraysOptions): Data {
  if (!inputs.length) throw new Error("arrays({ inputs }): there are no samples");
  if (inputs.length !== targets.length)
    throw new Error(`arrays(): ${inputs.length} inputs and ${targets.length} targets; give one target an input`);
  const classes = typeof targets[0] === "number";
  if (classes) checkClasses(targets);
  const inputShape = [width(inputs, "inputs")];
  const targetShape = classes ? [] : [width(targets as readonly (readonly number[])[], "targets")];
  const toValues = (row: readonly number[] | number): Values =>
    typeof row === "number" ? Int32Array.of(row) : Float32Array.from(row);
  return {
    input: { shape: inputShape, dtype: "float32" },
    target: { shape: targetShape, dtype: classes ? "int32" : "float32" },
    tokens: elements(targetShape),
    sample(index, seed) {
      const row = rowOf(index, inputs.length, seed, "arrays");
      return { input: toValues(inputs[row]!), target: toValues(targets[row]!) };
    },
  };
}
