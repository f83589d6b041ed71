// What benchmarks that train in processes of their own read of a run.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The median step of run `name` in a folder, its first `warm` left out: V8 still compiles then. In ms. */
export function medianStep(folder: string, name: string, warm = 2): number {
  const lines = readFileSync(join(folder, "runs", name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const ms = lines.slice(1 + warm).map((line): number => JSON.parse(line).ms); // the first line is the run's head
  return ms.toSorted((a, b) => a - b)[ms.length >> 1]!;
}
