// Runs the code of READMEs and docs: every `ts` block must run, and print the `text` block that follows it, where one does.
// A block that opens with the path of an example must be that example. `--write` brings the pages up to date.
import { execFileSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const write = process.argv.includes("--write");
const fence = "```";
const block = new RegExp(`${fence}ts\\n(.*?)${fence}(?:(\\n\\n${fence}text\\n)(.*?)${fence})?`, "gs");

function printed(code: string, cwd: string): string {
  const args = ["--input-type=module-typescript", "--eval", code];
  const env = { ORTHANT_DEVICE: "wasm", ...process.env }; // where the code leaves it open
  return execFileSync(process.execPath, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** Returns the block as it should be. */
function checked(
  page: string,
  whole: string,
  code: string,
  opening: string | undefined,
  text: string | undefined,
): string {
  const example = /^\/\/ (examples\/\S+\.ts)\n/.exec(code);
  if (example) return `${fence}ts\n${example[0]}${readFileSync(example[1]!, "utf8")}${fence}`;
  const output = printed(code, dirname(page));
  return opening === undefined
    ? whole
    : whole.replace(`${opening}${text}${fence}`, () => `${opening}${output}${fence}`);
}

/** READMEs that are left out here: a test of its own runs the first, whose script is planned; the second needs a nats-server: name it to run it. */
const apart = ["packages/cli/README.md", "packages/transport-nats/README.md"];
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const all = globSync(["README.md", "docs/*.md", "packages/*/README.md"]).sort();
const pages = named.length ? named : all.filter((page) => !apart.includes(page));

let failures = 0;
for (const page of pages) {
  const before = readFileSync(page, "utf8");
  const after = before.replace(block, (whole, code, opening, text) => checked(page, whole, code, opening, text));
  const same = before === after;
  console.log(`${same ? "ok  " : write ? "new " : "FAIL"} ${page}`);
  if (!same && write) writeFileSync(page, after);
  if (!same && !write) failures++;
}
if (failures) console.error("These pages show what their code does not: node scripts/readmes.ts --write mends them.");
process.exitCode = failures ? 1 : 0;
