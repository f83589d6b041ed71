// Runs one command with its output on the terminal; the scripts in this folder are lists of such commands.
import { spawnSync } from "node:child_process";

/** Runs one command and returns its exit status and seconds; its output goes straight to the terminal. A signal counts as status 1. */
export function run(command: string, args: readonly string[], cwd = "."): { status: number; seconds: number } {
  const from = performance.now();
  const env = { ORTHANT_DEVICE: "wasm", ...process.env }; // where a test leaves the device open, whatever else this machine has
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ["ignore", "inherit", "inherit"] });
  if (error) console.error(`${command}: ${error.message}`);
  return { status: status ?? 1, seconds: (performance.now() - from) / 1000 };
}

/** Runs one command as `run` does; a failure ends this process. */
export function must(command: string, args: readonly string[], cwd = "."): void {
  const { status } = run(command, args, cwd);
  if (status === 0) return;
  console.error(`failed (exit ${status}): ${command} ${args.join(" ")}`);
  process.exit(status);
}
