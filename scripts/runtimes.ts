// Runs the same suites under Node, Deno and Bun, and prints one table. Each runs the unbuilt source.
// Usage: node scripts/runtimes.ts [file.ts] [arguments]
import { run } from "./run.ts";

const [file = "tests/runtimes/main.ts", ...args] = process.argv.slice(2);
const runtimes = [
  ["node", [file]],
  ["deno", ["run", "-A", file]],
  ["bun", [file]],
] as const;

const rows = runtimes.map(([name, command]) => {
  console.log(`\n-- ${name} ${command.join(" ")}`);
  const { status, seconds } = run(name, [...command, ...args]);
  return { runtime: name, result: status === 0 ? "ok" : `FAIL (exit ${status})`, seconds: Number(seconds.toFixed(1)) };
});
console.table(rows);
if (rows.some((row) => row.result !== "ok")) process.exitCode = 1;
