// Samples that are in memory: rows of numbers in, rows of numbers or class indices out.
import { type Data, elements, type Values } from "@orthant/core";
import { rowOf } from "./rows.ts";

/** Options of `arrays()`. */
/** Numbers of one sample. */
export type Row = readonly number[] | Float32Array | Int32Array | Uint8Array;
/** Rows of several inputs or targets, by name: those of a sample come one after the other, in the order of the names. */
export type NamedRows = Readonly<Record<string, readonly Row[] | readonly number[]>>;

/** Options of `arrays()`. */
export interface ArraysOptions {
  /** One vector a sample, all of one length; or a record of such. */
  readonly inputs: readonly Row[] | NamedRows;
  /** One vector a sample, or one class index a sample; or a record of such. */
  readonly targets: readonly Row[] | readonly number[] | NamedRows;
}

/** Joins the rows of several names to one a sample. */
function joinedRows(
  rows: readonly Row[] | readonly number[] | NamedRows,
  what: string,
): readonly Row[] | readonly number[] {
  if (Array.isArray(rows)) return rows;
  const sides = Object.entries(rows as NamedRows);
  const [first] = sides;
  if (!first) throw new Error(`arrays({ ${what} }): the record is empty`);
  const odd = sides.find(([, side]) => side.length !== first[1].length);
  if (odd)
    throw new Error(
      `arrays({ ${what} }): ${odd[0]} has ${odd[1].length} rows and ${first[0]} has ${first[1].length}; give one a sample`,
    );
  for (const [name, side] of sides) if (typeof side[0] !== "number") width(side as readonly Row[], `${what}.${name}`);
  return Array.from({ length: first[1].length }, (_, i) => sides.flatMap(([, side]) => toList(side[i]!)));
}

const toList = (row: Row | number): number[] => (typeof row === "number" ? [row] : Array.from(row));

function width(rows: readonly Row[], what: string): number {
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

/** Samples of rows in memory, each once an epoch. Throws where inputs and targets differ in number or rows in length. */
export function arrays(options: ArraysOptions): Data {
  const inputs = joinedRows(options.inputs, "inputs") as readonly Row[];
  const targets = joinedRows(options.targets, "targets");
  if (!inputs.length) throw new Error("arrays({ inputs }): there are no samples");
  if (inputs.length !== targets.length)
    throw new Error(`arrays(): ${inputs.length} inputs and ${targets.length} targets; give one target an input`);
  const classes = typeof targets[0] === "number";
  if (classes) checkClasses(targets);
  const inputShape = [width(inputs, "inputs")];
  const targetShape = classes ? [] : [width(targets as readonly Row[], "targets")];
  const toValues = (row: Row | number): Values =>
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
