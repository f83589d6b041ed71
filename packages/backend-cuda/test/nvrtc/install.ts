// NVRTC's library for tests on machines without CUDA: from the places where it may be, else from PyPI into the cache folder.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { locate } from "../../src/library/find.ts";
import { places } from "../../src/library/places.ts";

const cache = join(import.meta.dirname, "../../../../node_modules/.cache/orthant-nvrtc");
const wheel = { name: "nvidia-cuda-nvrtc", folder: "nvidia/cu13/lib", generation: 13 } as const;

/** Path of libnvrtc. Throws with what to do where it can neither be found nor installed. */
export function installNvrtc(): string {
  const folder = join(cache, wheel.folder);
  const found = locate("nvrtc", wheel.generation, [...places(), folder].filter(existsSync));
  if (found) return found;
  mkdirSync(cache, { recursive: true });
  const python = (...args: string[]) => execFileSync("python3", ["-m", ...args], { cwd: cache, stdio: "pipe" });
  try {
    python("pip", "download", "-q", "--no-deps", "-d", ".", wheel.name); // a wheel is a zip: nothing is installed
    python("zipfile", "-e", readdirSync(cache).find((file) => file.endsWith(".whl"))!, ".");
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new Error(`NVRTC could not be had from PyPI (${why}): unpack the wheel of ${wheel.name} in ${cache}`);
  }
  return locate("nvrtc", wheel.generation, [folder])!;
}
