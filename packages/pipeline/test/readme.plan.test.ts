// The README's code runs, and prints the picture that follows it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the code of the README prints its picture", () => {
  const folder = new URL("../", import.meta.url);
  const readme = readFileSync(new URL("README.md", folder), "utf8");
  const [, code = "", picture] = /```ts\n(.*?)```.*?```text\n(.*?)```/s.exec(readme) ?? [];
  const run = ["--input-type=module-typescript", "--eval", code];
  expect(execFileSync(process.execPath, run, { cwd: folder, encoding: "utf8" })).toBe(picture);
});
