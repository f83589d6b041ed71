// The differential test as vitest tests, with its table printed at the end.
import { afterAll, test } from "vitest";
import { type DifferentialOptions, differentialCases, type Row, showTable } from "../src/index.ts";

export function differentialTests(options: DifferentialOptions): void {
  const rows: Row[] = [];
  for (const { name, run } of differentialCases(options, (row) => rows.push(row))) test(name, run);
  afterAll(() => console.log(showTable(rows)));
}
