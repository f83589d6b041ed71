// A file with one JSON value a line. Only where lines begin is kept; a line is read and parsed when its sample is asked for.

import { closeSync, openSync, readSync } from "node:fs";
import { type Data, elements, type Field, type Sample, type Values } from "@orthant/core";
import { openRanged } from "./ranged-file.ts";
import { rowOf } from "./rows.ts";

/** Options of `jsonl()`. */
export interface JsonlOptions {
  readonly input: Field;
  readonly target: Field;
  /** Terms that a sample adds to the loss; the elements of the target by default. */
  readonly tokens?: number;
  /** Makes a line's value a sample: numbers, in any nesting, or typed arrays. */
  toSample(value: never): { readonly input: unknown; readonly target: unknown };
}

const newline = 10;
const chunkBytes = 1 << 20;

/** Where each line that is not blank begins and ends, in bytes, as pairs. */
function linesOf(source: string | URL): number[] {
  const fd = openSync(source, "r");
  const chunk = new Uint8Array(chunkBytes);
  const bounds: number[] = [];
  let from = 0;
  let at = 0;
  const end = (to: number) => {
    if (to > from + 1) bounds.push(from, to);
    from = to + 1;
  };
  for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) {
    for (let i = chunk.indexOf(newline); i >= 0 && i < n; i = chunk.indexOf(newline, i + 1)) end(at + i);
    at += n;
  }
  end(at);
  closeSync(fd);
  return bounds;
}

/** Numbers of a side, flat, in the type of its field. What is no number becomes NaN, which is refused when it is read. */
function flat(value: unknown, { dtype }: Field): Values {
  if (value instanceof Float32Array || value instanceof Int32Array) return value;
  const numbers = [value].flat(Number.POSITIVE_INFINITY).map((v) => (typeof v === "number" ? v : Number.NaN));
  return dtype === "int32" && numbers.every(Number.isInteger) ? Int32Array.from(numbers) : Float32Array.from(numbers);
}

/**
 * The file at `source`, a sample a line: each once an epoch, in an order that changes with it. Lines that are blank are left out.
 * Throws where there is no line; a line that is no JSON ends the run with its number.
 */
export function jsonl(
  source: string | URL,
  { input, target, tokens = elements(target.shape), toSample }: JsonlOptions,
): Data {
  const who = `jsonl("${source}")`;
  const file = openRanged(source, who);
  const bounds = Float64Array.from(linesOf(source));
  const rows = bounds.length / 2;
  if (!rows) throw new Error(`${who}: every line is blank`);
  const read = async (row: number): Promise<Sample> => {
    const [from, to] = [bounds[2 * row]!, bounds[2 * row + 1]!];
    const line = new TextDecoder().decode(await file.read(from, to - from));
    try {
      const sample = toSample(JSON.parse(line) as never);
      return { input: flat(sample.input, input), target: flat(sample.target, target) };
    } catch (cause) {
      const short = line.length > 40 ? `${line.slice(0, 40)}..` : line;
      throw new Error(`${who}: line ${row + 1} of those that are not blank, ${short}: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  return { input, target, tokens, sample: (index, seed) => read(rowOf(index, rows, seed, "jsonl")) };
}
