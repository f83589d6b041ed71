// The README's script, planned by the README's command, prints the README's page.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

test("orthant plan prints the page of the README", () => {
  const readme = readFileSync(pathOf("../README.md"), "utf8");
  const [, script = "", page] = /```ts\n(.*?)```.*?```text\n(.*?)```/s.exec(readme) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "orthant-readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(pathOf("../../../node_modules"), join(folder, "node_modules"), "junction");
  writeFileSync(join(folder, "corpus.txt"), "words ".repeat(100));
  writeFileSync(join(folder, "train.ts"), script);
  const args = [pathOf("../bin/orthant.js"), "plan", "train.ts"];
  expect(execFileSync(process.execPath, args, { cwd: folder, encoding: "utf8" })).toBe(page);
});
