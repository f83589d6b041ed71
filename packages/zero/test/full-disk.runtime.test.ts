// A disk without room, as a limit on file sizes: the error names the file and the bytes, and nothing is left behind.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

test("a disk that is full ends the run at its start", () => {
  const folder = mkdtempSync(join(tmpdir(), "orthant-test-"));
  const script = join(import.meta.dirname, "full-disk.ts");
  const told = execFileSync("sh", ["-c", 'ulimit -f 8; exec "$0" "$1" "$2"', process.execPath, script, folder], {
    encoding: "utf8",
  });
  expect(told).toMatch(
    /offload to disk: writing \d+ bytes at byte \d+ of .*rank-\d-optimizer-\w+.values failed: EFBIG.*; free space, or name another/,
  );
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
