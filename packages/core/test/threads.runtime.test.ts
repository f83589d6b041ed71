// Runs over worker threads as processes of their own: how they end, in success, failure and on Ctrl-C.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const job = new URL("./jobs/job.ts", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "orthant-threads-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

/** Runs the job; `watch` sees it with every piece of output. Resolves when the process and all that holds its pipes are gone. */
function run(
  env: Record<string, string>,
  watch: (child: ChildProcess, out: string) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, [job], { cwd: folder, env: { ...process.env, ...env } });
  let out = "";
  for (const pipe of [child.stdout, child.stderr])
    pipe.on("data", (piece) => {
      out += piece;
      watch(child, out);
    });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out })));
}

test("eight ranks on two threads train and the process ends by itself", async () => {
  const { code, out } = await run({ STEPS: "3" });
  expect({ code, result: JSON.parse(out.trim().split("\n").at(-1)!) }).toEqual({ code: 0, result: { steps: 3 } });
});

test("a rank that throws ends the run, named with its step and action", async () => {
  const { code, out } = await run({ STEPS: "5", THROW_AT: "14" });
  expect(code).toBe(1);
  expect(out).toMatch(/rank [23] \(pp 0, dp 1, tp [01]\) failed at step 1, action 0F1: sample 14 is broken/);
});

test("Ctrl-C stops every rank after its step and leaves whole files", async () => {
  let asked = false;
  const { code, out } = await run({ STEPS: "100000", RUN: "stopped" }, (child, seen) => {
    if (asked || !seen.includes("step")) return;
    asked = true;
    child.kill("SIGINT");
  });
  expect(code).toBe(0);
  const { steps, dir } = JSON.parse(out.trim().split("\n").at(-1)!) as { steps: number; dir: string };
  const lines = readFileSync(join(folder, dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line)).length).toBe(steps + 1);
  expect(JSON.parse(readFileSync(join(folder, dir, "trace.json"), "utf8")).length).toBeGreaterThan(steps);
});
