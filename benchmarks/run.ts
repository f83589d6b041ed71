// Runs one benchmark by name: `npm run bench -- cpu` runs benchmarks/cpu.ts with the arguments that follow.
import { readdirSync } from "node:fs";
import { argv, exit } from "node:process";
import { run } from "../scripts/run.ts";

const folder = import.meta.dirname;
const names = readdirSync(folder).flatMap((file) => /^(\w.*)\.ts$/.exec(file)?.[1] ?? []);
const known = names.filter((name) => name !== "run").sort();
const [name = "", ...args] = argv.slice(2);

if (!known.includes(name)) {
  console.error(
    `${name ? `no benchmark "${name}"` : "which benchmark?"} There are: ${known.join(", ") || "none yet"}.`,
  );
  console.error("Usage: npm run bench -- NAME");
  exit(1);
}
exit(run("node", [`${folder}/${name}.ts`, ...args]).status);
