// NVRTC's library for tests on machines without CUDA: from the places where it may be, else from PyPI into the cache folder.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
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
  try {
    execFileSync("python3", ["-m", "pip", "install", "-q", "--no-deps", "--target", cache, wheel.name], {
      stdio: "pipe",
    });
  } catch (error) {
    throw new Error(
      `NVRTC could not be installed (${(error as Error).message.split("\n")[0]}): pip install --target ${cache} ${wheel.name}`,
    );
  }
  return locate("nvrtc", wheel.generation, [folder])!;
}
