// A disk without room, as a limit on file sizes: the error names file and tensor, the checkpoint before stays, and with room the
// run goes on from it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const script = join(import.meta.dirname, "jobs/saves.ts");

test.each(["at once", "async"])("a disk that is full ends the run, %s", (how) => {
  const dir = mkdtempSync(join(tmpdir(), "orthant-full-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const run = (limit: string, steps: number) => {
    const shell = `ulimit -f ${limit}; exec "$0" "$@"`;
    return execFileSync("sh", ["-c", shell, process.execPath, script, dir, String(steps), how], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  };
  const files = () =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), "hex")]);
  expect(run("unlimited", 2)).toContain("went on from 0");
  const before = files();
  expect(run("2", 4)).toMatch(
    /checkpoint: cannot write .*step-000004.partial.model-0000\d-of-00002.safetensors, .*: EFBIG/,
  );
  expect(files()).toEqual(before);
  expect(run("unlimited", 4)).toContain("went on from 2");
});
