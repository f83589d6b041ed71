// Names that a model lacks, told with those that are near.
import type { ParamSpec } from "../params/params.ts";
import { specsByUse } from "./specs.ts";

/** Says that the model has no such parameter, and which of its names are nearest. */
export function unknownName(name: string, { specs }: { readonly specs: readonly ParamSpec[] }): string {
  const names = [...specsByUse(specs).keys()];
  const near = names.toSorted((a, b) => distance(name, a) - distance(name, b)).slice(0, 3);
  return `the model has no parameter "${name}"; of its ${names.length}, these are nearest: ${near.join(", ")}`;
}

/** Fewest characters to put in, take out or replace that make `a` of `b` (Levenshtein, 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
