// Going on over every transport: the losses of the 20 steps after, the parameters and the files of a run that never stopped, bit
// by bit.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "./job.ts";

/** Steps before the stop, and in all. */
const [before, steps] = [6, 26];

export interface Result {
  readonly firstStep: number;
  readonly losses: readonly number[];
  readonly weights: string;
}

export const script = "tests/checkpoints/job.ts";
export const command = "packages/cli/bin/orthant.js";

/** The line that the script prints, among those that a launcher adds. */
export function resultOf(out: string): Result {
  const text = /\{"firstStep.*\}/.exec(out)?.[0];
  if (!text) throw new Error(`the script printed no result:\n${out}`);
  return JSON.parse(text) as Result;
}

function run(job: Job): Result {
  const words = job.transport ? [script] : [command, "run", "--ranks", "4", script];
  const stdio = ["ignore", "pipe", "pipe"] as const;
  return resultOf(
    execFileSync(process.execPath, [...words, JSON.stringify(job)], { encoding: "utf8", stdio: [...stdio] }),
  );
}

/** Hashes every shard of the last step. */
function hashOf(dir: string): string {
  const folder = join(dir, `step-${String(steps).padStart(6, "0")}`);
  const hash = createHash("sha256");
  const names = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest("hex");
}

function failuresOf(job: Omit<Job, "dir" | "steps" | "every">): string[] {
  const dir = mkdtempSync(join(tmpdir(), "orthant-transports-"));
  try {
    const [whole, cut] = [join(dir, "whole"), join(dir, "cut")];
    const expected = run({ ...job, steps, every: steps, dir: whole });
    run({ ...job, steps: before, every: before, dir: cut });
    const found = run({ ...job, steps, every: steps, dir: cut, resume: true });
    const checks: [string, boolean][] = [
      ["the first step", found.firstStep === before],
      ["losses", JSON.stringify(found.losses) === JSON.stringify(expected.losses.slice(before))],
      ["parameters", found.weights === expected.weights],
      ["files", hashOf(whole) === hashOf(cut)],
    ];
    return checks.filter(([, same]) => !same).map(([what]) => what);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Runs every transport under both optimizers and prints a line each. Returns how many failed. */
export function transports(): number {
  let failed = 0;
  for (const transport of ["memory", "threads", undefined] as const)
    for (const optimizer of ["sgd", "adamw"] as const) {
      const failures = failuresOf({ optimizer, async: transport !== "memory", ...(transport && { transport }) });
      const what = failures.length
        ? `${failures.join(", ")} differ`
        : `${steps - before} losses, parameters and files: equal bits`;
      console.log(
        `${failures.length ? "FAIL" : "ok  "} ${transport ?? "NATS, a process a rank"}, ${optimizer}: ${what}`,
      );
      failed += failures.length ? 1 : 0;
    }
  return failed;
}
