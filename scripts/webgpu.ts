// Runs files on the webgpu device under Node, Deno and Bun, each with a Vulkan in software that its WebGPU takes.
// Usage: node scripts/webgpu.ts [file.ts [arguments]]; the tests by default
import { env } from "node:process";
import { run } from "./run.ts";
import { softwareVulkan } from "./setup-webgpu.ts";

const given = process.argv.slice(2);
const tests = [
  ["tests/runtimes/webgpu.ts"],
  ["tests/runtimes/webgpu/threads.ts"],
  ["tests/runtimes/webgpu/gpus.ts"],
  ["tests/devices/main.ts", "webgpu"],
];
const files = given.length ? [given] : tests;
const { lavapipe, swiftShader } = softwareVulkan();
const runtimes = [
  ["node", [], swiftShader],
  ["deno", ["run", "-A"], lavapipe],
  ["bun", [], swiftShader],
] as const;

env.XDG_RUNTIME_DIR ??= "/tmp"; // Mesa looks for a window system, and complains where it finds none
const rows = runtimes.flatMap(([runtime, before, driver]) =>
  files.map((each) => {
    env.VK_ICD_FILENAMES = driver;
    const { status, seconds } = run(runtime, [...before, ...each]);
    return {
      runtime,
      file: each[0],
      result: status ? `FAIL (exit ${status})` : "ok",
      seconds: Number(seconds.toFixed(1)),
    };
  }),
);
console.table(rows);
if (rows.some((row) => row.result !== "ok")) process.exitCode = 1;
