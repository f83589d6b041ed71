// The README's second script, run by the README's command, prints the README's lines.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { Launcher } from "./launcher.ts";

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

test("orthant run prints the lines of the README", async () => {
  const readme = readFileSync(pathOf("../README.md"), "utf8");
  const section = readme.slice(readme.indexOf("## orthant run"));
  const [, script = "", command = "", lines] =
    /```ts\n(.*?)```\n\n`orthant (.*?)` prints\n\n```text\n(.*?)```/s.exec(section) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "orthant-readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(pathOf("../../../node_modules"), join(folder, "node_modules"), "junction");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "train.ts"), script);
  const launcher = new Launcher(folder, command.split(" "));
  expect([await launcher.code(), launcher.error, launcher.out]).toEqual([0, "", lines]);
});
