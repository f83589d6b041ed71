// Rows of a differential test as text, the worst errors at the end.
import type { Row } from "./differential.ts";

const error = (value: number | undefined): string => (value?.toExponential(1) ?? "-").padStart(8);
const axes = ["dp", "tp", "pp"] as const;

/** Heading of the lines that `showRow` writes. */
export const tableHead = [
  "case".padEnd(44),
  "ranks",
  "    loss",
  "gradient",
  " params.",
  ...axes.map((axis) => `${axis} bytes`.padStart(10)),
  "    ms",
].join("  ");

/** Shows one row in one line; a failed one is followed by what failed. */
export function showRow({ name, ranks, loss, gradient, parameter, bytes, ms, failures }: Row): string {
  const sent = axes.map((axis) => `${bytes[axis] ?? 0}`.padStart(10));
  const line = [
    name.padEnd(44),
    `${ranks}`.padStart(5),
    ...[loss, gradient, parameter].map(error),
    ...sent,
    ms.toFixed(0).padStart(6),
  ].join("  ");
  return [line, ...failures.map((failure) => `  FAIL ${failure}`)].join("\n");
}

/** Shows the worst of each error, over all rows. */
export function showWorst(rows: readonly Row[]): string {
  const worst = (["loss", "gradient", "parameter"] as const).map((kind) => {
    const row = rows.reduce((a, b) => ((b[kind] ?? 0) > (a[kind] ?? 0) ? b : a));
    return `${kind} ${row[kind]?.toExponential(1)} (${row.name.replace(/ +/g, " ")})`;
  });
  return `worst of ${rows.length}: ${worst.join(", ")}`;
}

/** Shows heading, rows and the worst errors, a line each. */
export const showTable = (rows: readonly Row[]): string =>
  [tableHead, ...rows.map(showRow), showWorst(rows)].join("\n");
