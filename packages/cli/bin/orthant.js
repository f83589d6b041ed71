#!/usr/bin/env node
// The command line's first lines, plain JavaScript so that every Node can read them: one that cannot run TypeScript is
// told so. The work is in src/main.ts, which is dist/main.js where this is installed from a registry.
import { existsSync } from "node:fs";

const { node, bun, deno } = process.versions;
const [major, minor] = node.split(".").map(Number);

if (!bun && !deno && (major < 22 || (major === 22 && minor < 18))) {
  console.error(
    `orthant needs Node 22.18 or newer, as it runs TypeScript; this is Node ${node}. Bun and Deno do as well.`,
  );
  process.exitCode = 2;
} else {
  const source = new URL("../src/main.ts", import.meta.url);
  const main = existsSync(source) ? source : new URL("../dist/main.js", import.meta.url);
  // Not awaited here: a module that still waits when nothing is left to do would end with Node's own error.
  import(main.href).then(({ main }) => main(process.argv.slice(2)));
}
