// Runs over worker threads as processes of their own: how they end, in success, failure and by signals.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const [job, session] = ["job", "session"].map((name) => new URL(`./jobs/${name}.ts`, import.meta.url).pathname);
const folder = mkdtempSync(join(tmpdir(), "orthant-threads-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  /** Exit code, or the signal that ended the process. */
  readonly code: number | string | null;
  readonly out: string;
}

/** Runs the job; `watch` sees it with every piece of output. Resolves when the process and all that holds its pipes are gone. */
function run(
  env: Record<string, string>,
  watch: (child: ChildProcess, out: string) => void = () => {},
  script = job!,
): Promise<Ended> {
  const child = spawn(process.execPath, [script], { cwd: folder, env: { ...process.env, ...env } });
  let out = "";
  for (const pipe of [child.stdout, child.stderr])
    pipe.on("data", (piece) => {
      out += piece;
      watch(child, out);
    });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ code: code ?? signal, out })));
}

test("eight ranks on two threads train and the process ends by itself", async () => {
  const { code, out } = await run({ STEPS: "3" });
  expect({ code, result: JSON.parse(out.trim().split("\n").at(-1)!) }).toEqual({ code: 0, result: { steps: 3 } });
});

test("a loop in the first thread drives ranks on two others, reads a parameter between steps, and leaves early", async () => {
  const { code, out } = await run({}, () => {}, session);
  const { losses, seen, last } = JSON.parse(out) as { losses: number; seen: number[][]; last: number[] };
  expect({ code, losses, seen: seen.length }).toEqual({ code: 0, losses: 3, seen: 4 });
  expect(new Set(seen.map(String)).size).toBe(4);
  expect(seen.at(-1)).toEqual(last);
});

test("a rank that throws ends the run, named with its step and action", async () => {
  const { code, out } = await run({ STEPS: "5", THROW_AT: "14" });
  expect(code).toBe(1);
  expect(out).toMatch(/rank [23] \(pp 0, dp 1, tp [01]\) failed at step 1, action 0F1: sample 14 is broken/);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s stops every rank after its step: whole files, one line, code %i", async (name, expected) => {
  let asked = false;
  const { code, out } = await run({ STEPS: "100000", RUN: `stopped-${name}` }, (child, seen) => {
    if (asked || !seen.includes("step")) return;
    asked = true;
    child.kill(name);
    child.kill(name); // as npm does where a terminal has sent it already
  });
  expect(code).toBe(expected);
  const told = out.split("\n").find((line) => line.startsWith("{"))!;
  const { steps, dir, stopped } = JSON.parse(told) as { steps: number; dir: string; stopped: string };
  expect(stopped).toBe(name);
  expect(out).toContain(`stopped by ${name} after step ${steps} of 100000; metrics and trace are complete\n`);
  const lines = readFileSync(join(folder, dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line)).length).toBe(steps + 1);
  expect(JSON.parse(readFileSync(join(folder, dir, "trace.json"), "utf8")).length).toBeGreaterThan(steps);
});

test("a thread that never comes to train is named", async () => {
  const { code, out } = await run({ LATE: "waits", STALL: "500" });
  expect(code).toBe(1);
  expect(out).toMatch(
    /thread 1 \(ranks 2, 3, 6, 7\) did not call train\(\) within \d+ s: does the script await something/,
  );
});

test("a thread that ends before train is named", async () => {
  const { code, out } = await run({ LATE: "ends" });
  expect(code).toBe(1);
  expect(out).toMatch(/thread 1 \(ranks 2, 3, 6, 7\) ended with code 0 before its ranks were done/);
});

test("a signal ends a run that waits for a thread", async () => {
  const { code, out } = await run({ LATE: "waits", RUN: "waits" }, (child) => child.kill("SIGTERM"));
  expect(code).toBe("SIGTERM");
  expect(out).toBe("late\nstopped by SIGTERM before the first step\n");
  expect(JSON.parse(readFileSync(join(folder, "runs/waits/trace.json"), "utf8")).length).toBe(16);
});
