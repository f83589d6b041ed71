// Runs every example for a few steps on Node, Deno and Bun, and prints the last loss of each: the same on all three.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const steps = process.argv[2] ?? "2";
const runtimes = { node: ["node"], deno: ["deno", "run", "-A"], bun: ["bun"] } as const;
const folder = mkdtempSync(join(tmpdir(), "orthant-examples-")); // where the runs write their files
const examples = readdirSync("examples").filter((name) => name.endsWith(".ts"));

/** Runs an example and returns what it says of its loss; undefined where it failed. */
function lossOf(example: string, [command, ...args]: readonly string[]): string | undefined {
  const env = { ORTHANT_DEVICE: "wasm", ...process.env, STEPS: steps };
  const done = spawnSync(command!, [...args, resolve("examples", example)], { cwd: folder, env, encoding: "utf8" });
  const loss = /loss (\S+ -> \S+)/.exec(done.stdout)?.[1];
  if (done.status === 0 && loss) return loss;
  console.error(`${command} ${example} ended with ${done.status}\n${done.stdout}\n${done.stderr}`);
  return undefined;
}

let failures = 0;
for (const example of examples) {
  const losses = Object.values(runtimes).map((command) => lossOf(example, command));
  const same = losses.every((loss) => loss !== undefined && loss === losses[0]);
  if (!same) failures++;
  console.log(`${same ? "ok  " : "FAIL"} ${example.padEnd(22)} ${losses.join(" | ")}`);
}
rmSync(folder, { recursive: true });
console.log(`${examples.length - failures} passed, ${failures} failed`);
process.exitCode = failures ? 1 : 0;
