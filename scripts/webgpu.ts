// Runs a file on the webgpu device under Node, Deno and Bun, each with a Vulkan in software that its WebGPU takes.
// Usage: node scripts/webgpu.ts [file.ts] [arguments]
import { env } from "node:process";
import { run } from "./run.ts";
import { softwareVulkan } from "./setup-webgpu.ts";

const [file = "tests/runtimes/webgpu.ts", ...args] = process.argv.slice(2);
const { lavapipe, swiftShader } = softwareVulkan();
const runtimes = [
  ["node", [file], swiftShader],
  ["deno", ["run", "-A", file], lavapipe],
  ["bun", [file], swiftShader],
] as const;

env.XDG_RUNTIME_DIR ??= "/tmp"; // Mesa looks for a window system, and complains where it finds none
const rows = runtimes.map(([name, command, driver]) => {
  env.VK_ICD_FILENAMES = driver;
  const { status, seconds } = run(name, [...command, ...args]);
  return { runtime: name, result: status === 0 ? "ok" : `FAIL (exit ${status})`, seconds: Number(seconds.toFixed(1)) };
});
console.table(rows);
if (rows.some((row) => row.result !== "ok")) process.exitCode = 1;
