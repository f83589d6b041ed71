// Python's own reader of the format, for comparison: `safetensors` and `numpy`, installed beside what npm keeps for tools, once.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const { PYTHON = "python3" } = process.env;
/** The packages, of the versions that the figures were seen with. */
const wanted = ["safetensors==0.5.3", "numpy"];
const folder = join("node_modules", ".cache", "orthant-python");

const works = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;

/** Makes sure that there are pip and the packages. Throws saying how to get them. */
export function installPython(): void {
  if (existsSync(join(folder, "safetensors"))) return;
  if (!works(PYTHON, "-m", "pip", "--version") && process.getuid?.() === 0 && works("apt-get", "update"))
    works("apt-get", "install", "-y", "--no-install-recommends", "python3-pip");
  const { status, stderr } = spawnSync(
    PYTHON,
    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, ...wanted],
    { encoding: "utf8" },
  );
  if (status === 0) return;
  throw new Error(
    `the readers need Python with pip, and PyPI, for ${wanted.join(" and ")}: apt-get install python3-pip, or PYTHON=... that has ` +
      `it\n${stderr ?? ""}`,
  );
}

/** Runs Python code; `words` are its arguments. Returns what it prints. */
export const python = (code: string, ...words: readonly string[]): string =>
  execFileSync(PYTHON, ["-c", code, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYTHONPATH: folder },
  });
