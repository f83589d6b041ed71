// Packs every public package as npm would publish it, checks the tarballs with publint and attw, then imports each
// from a folder that holds nothing but the tarballs and third-party packages.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "./run.ts";

const work = mkdtempSync(join(tmpdir(), "orthant-pack-"));
const modules = join(work, "node_modules");

function unpack(name: string): void {
  const into = join(modules, "@orthant", name);
  mkdirSync(into, { recursive: true });
  must("tar", ["-xzf", join(work, tarballOf(name)), "-C", into, "--strip-components", "1"]);
}

const tarballOf = (name: string) => {
  const { version } = JSON.parse(readFileSync(`packages/${name}/package.json`, "utf8")) as { version: string };
  return `orthant-${name}-${version}.tgz`;
};

function check(name: string): void {
  console.log(`\n-- @orthant/${name}`);
  must("npm", ["pack", "--silent", "--pack-destination", work], `packages/${name}`);
  must("publint", ["run", join(work, tarballOf(name)), "--strict"]);
  must("attw", [join(work, tarballOf(name)), "--profile", "esm-only", "--no-summary", "--no-color"]);
  unpack(name);
}

function linkThirdParty(): void {
  const names = readdirSync("node_modules").filter((name) => name !== "@orthant" && name !== ".bin");
  for (const name of names) symlinkSync(join(process.cwd(), "node_modules", name), join(modules, name));
}

const names = readdirSync("packages");
for (const name of names) check(name);
linkThirdParty();
for (const name of names) must("node", ["--input-type=module", "-e", `await import("@orthant/${name}")`], work);
rmSync(work, { recursive: true });
console.log(`\n${names.length} packages packed, checked and imported`);
