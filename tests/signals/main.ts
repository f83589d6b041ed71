// Signals and deaths, in a table: who gets which, the exit code, what is said, who is left after 5 s, whether the files are
// whole. Each case starts real processes, a nats-server among them, and needs `script` for terminals. Run all with
// `npm run test:signals`, or those whose names hold an argument. Exits 1 where one is not as it must be.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Case, cases } from "./cases.ts";
import { Started } from "./started.ts";
import type { Job } from "./train.ts";

/** ms after which nobody may be left. */
const limit = 5000;

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "orthant-signals-"));
symlinkSync(pathOf("../../node_modules"), join(folder, "node_modules"), "junction");
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");

function start({ way, options = "" }: Case, job: Job): Started {
  const [first = "", terminal] = way.split(" in a ");
  const script = [pathOf("train.ts"), JSON.stringify(job)];
  const run = ["run", "--ranks", "2", ...options.split(" ").filter(Boolean), ...script];
  const words = {
    node: [process.execPath, ...script],
    orthant: [process.execPath, pathOf("../../packages/cli/bin/orthant.js"), ...run],
    npx: ["npx", "--no-install", "orthant", ...run],
  }[first] as [string, ...string[]];
  if (!terminal) return new Started(folder, words[0], words.slice(1));
  return new Started(folder, "script", ["-qefc", quoted(words), "/dev/null"]);
}

/** What is wrong with the run's files; undefined where nothing is. */
function broken(run: string): string | undefined {
  try {
    const lines = readFileSync(join(folder, "runs", run, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    for (const line of lines) JSON.parse(line);
    JSON.parse(readFileSync(join(folder, "runs", run, "trace.json"), "utf8"));
    return undefined;
  } catch (error) {
    return (error as Error).message.slice(0, 60);
  }
}

interface Seen {
  readonly who: string;
  readonly told: string;
  readonly code: number | string;
  readonly says: string;
  readonly left: string;
  readonly files: string;
  readonly ok: boolean;
}

async function tried(one: Case, index: number): Promise<Seen> {
  const job: Job = { run: `case-${index}`, steps: 5000, slow: 20, ...one.job };
  const started = start(one, job);
  try {
    await started.until(one.when);
    started.look();
    await one.act(started);
    const took = await started.gone(limit);
    await started.settled();
    return seen(one, started, took, broken(job.run));
  } catch (error) {
    const { who, told } = one;
    console.log(error instanceof Error ? error.message : error);
    return { who, told, code: "-", says: "failed: see above", left: "-", files: "-", ok: false };
  } finally {
    started.end();
  }
}

function seen(
  { who, told, code, says, whole }: Case,
  started: Started,
  took: number | undefined,
  wrong?: string,
): Seen {
  const line = says?.exec(started.said)?.[0];
  const ended = started.ended ?? "-";
  const ok = took !== undefined && (code === undefined || code === ended) && (!says || !!line) && !(whole && wrong);
  const left = took === undefined ? `${started.left().length} processes` : `nobody after ${(took / 1000).toFixed(1)} s`;
  if (!ok) console.log(started.said);
  return { who, told, code: ended, says: line ?? "-", left, files: wrong ? "as far as they came" : "whole", ok };
}

const wanted = process.argv.slice(2);
const chosen = cases.filter(({ who, told }) => wanted.every((word) => `${who} ${told}`.includes(word)));
const rows: Seen[] = [];
for (const [i, one] of chosen.entries()) {
  const row = await tried(one, i);
  rows.push(row);
  const { who, told, code, says, left, files, ok } = row;
  console.log(`${ok ? "ok    " : "FAILED"}  ${who}, ${told}: ${[code, says, left, `files ${files}`].join(" | ")}`);
}
console.table(rows);
rmSync(folder, { recursive: true });
process.exit(rows.every(({ ok }) => ok) ? 0 : 1);
