// Runs npm scripts in order under a heading each, stops at the first that fails, and closes with the timings.
// Usage: node scripts/steps.ts lint typecheck test:unit
import { run } from "./run.ts";

const timings: string[] = [];
for (const name of process.argv.slice(2)) {
  console.log(`\n== ${name}`);
  const { status, seconds } = run("npm", ["run", "--silent", name]);
  timings.push(`${status === 0 ? "ok  " : "FAIL"} ${seconds.toFixed(1).padStart(6)} s  ${name}`);
  if (status !== 0) process.exitCode = status;
  if (status !== 0) break;
}
console.log(`\n${timings.join("\n")}`);
