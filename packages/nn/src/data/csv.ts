// A table in a text file, a row a line (RFC 4180, but no line breaks within quotes), as samples in memory: columns of numbers in, columns of numbers or one of classes out.
import { readFileSync } from "node:fs";
import type { Data } from "@orthant/core";
import { arrays } from "./arrays.ts";
import { openRanged } from "./ranged-file.ts";

/** Options of `csv()`. */
export interface CsvOptions {
  /** Columns of the target, by the names in the first line. */
  readonly target: string | readonly string[];
  /** Columns of the input; all that are not the target by default. */
  readonly inputs?: readonly string[];
  /** Classes by the words in the target's column, in the order of their indices. Absent, the target is numbers. */
  readonly classes?: readonly string[];
  /** What stands between values; a comma by default. */
  readonly separator?: string;
}

/** Cells of one line. Quotes may hold separators, and quotes twice. */
function cellsOf(line: string, separator: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const twice = quoted && line[i] === '"' && line[i + 1] === '"';
    if (twice) cell += line[i++];
    else if (line[i] === '"') quoted = !quoted;
    else if (line[i] !== separator || quoted) cell += line[i];
    else cells.push(cell.trim());
    if (line[i] === separator && !quoted && !twice) cell = "";
  }
  return [...cells, cell.trim()];
}

const asList = (names: string | readonly string[]): readonly string[] => (typeof names === "string" ? [names] : names);

interface Table {
  readonly who: string;
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function tableOf(source: string | URL, separator: string): Table {
  const who = `csv("${source}")`;
  openRanged(source, who);
  const lines = readFileSync(source, "utf8").split(/\r?\n/);
  const [names, ...rows] = lines.map((line) => cellsOf(line, separator));
  const odd = rows.findIndex((row, i) => lines[i + 1] !== "" && row.length !== names!.length);
  if (odd >= 0)
    throw new Error(
      `${who}: line ${odd + 2} has ${rows[odd]!.length} values and the first line ${names!.length} names`,
    );
  return { who, names: names!, rows: rows.filter((_, i) => lines[i + 1] !== "") };
}

function columnOf({ who, names }: Table, name: string): number {
  const at = names.indexOf(name);
  if (at < 0) throw new Error(`${who}: there is no column ${name}; there are ${names.join(", ")}`);
  return at;
}

function numberAt({ who, names, rows }: Table, row: number, column: number): number {
  const cell = rows[row]![column]!;
  const value = Number(cell);
  if (cell !== "" && Number.isFinite(value)) return value;
  throw new Error(`${who}: row ${row + 1} has "${cell}" in column ${names[column]}, which is no number`);
}

function classAt({ who, names, rows }: Table, row: number, column: number, classes: readonly string[]): number {
  const found = classes.indexOf(rows[row]![column]!);
  if (found >= 0) return found;
  throw new Error(
    `${who}: row ${row + 1} has "${rows[row]![column]}" in column ${names[column]}; the classes are ${classes.join(", ")}`,
  );
}

/** The table at `source`, whose first line names columns. Throws, with row and column, for what is no number or no class. */
export function csv(source: string | URL, { target, inputs, classes, separator = "," }: CsvOptions): Data {
  const table = tableOf(source, separator);
  const targets = asList(target).map((name) => columnOf(table, name));
  if (classes && targets.length !== 1)
    throw new Error(`${table.who}: classes are in one column, and target names ${targets.length}`);
  const chosen = inputs
    ? inputs.map((name) => columnOf(table, name))
    : table.names.flatMap((_, column) => (targets.includes(column) ? [] : [column]));
  const rows = [...table.rows.keys()];
  return arrays({
    inputs: rows.map((row) => chosen.map((column) => numberAt(table, row, column))),
    targets: classes
      ? rows.map((row) => classAt(table, row, targets[0]!, classes))
      : rows.map((row) => targets.map((column) => numberAt(table, row, column))),
  });
}
