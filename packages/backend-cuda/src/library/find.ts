// Picks files of NVIDIA's libraries: `libnvrtc.so.13` and its sisters, of one CUDA generation that the driver can run.
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The CUDA generations this package knows, newest first. */
export const generations = [13, 12] as const;

/** Libraries by the name between `lib` and `.so`. */
export type LibraryName = "nvrtc" | "cublasLt" | "cudnn";

/** What to say to pip for a library of a generation. */
const wheel = (name: "nvrtc" | "cublasLt", generation: number): string => {
  const base = name === "nvrtc" ? "nvidia-cuda-nvrtc" : "nvidia-cublas";
  return generation >= 13 ? base : `${base}-cu${generation}`;
};

/** Finds `lib<name>.so.<generation>` in folders, in their order; undefined where it is in none. */
export function locate(name: LibraryName, generation: number, folders: readonly string[]): string | undefined {
  const file = `lib${name}.so.${generation}`;
  for (const folder of folders) {
    const found = readdirSync(folder).find((entry) => entry === file || entry.startsWith(`${file}.`));
    if (found) return join(folder, found);
  }
  return undefined;
}

/** Paths of the libraries that this package uses beside the driver, of one generation. */
export interface Libraries {
  readonly generation: number;
  readonly nvrtc: string;
  readonly cublasLt: string;
  /** Absent where it is not installed: attention runs by a kernel of this package then. */
  readonly cudnn?: string | undefined;
}

/** The generation of cuDNN that this package knows. */
const CUDNN = 9;

/**
 * Finds both libraries of the newest generation that a driver for CUDA `newest` can run (a major version, such as 13).
 * Throws where there is none, saying what was looked for, where, and what to install.
 */
export function findLibraries(newest: number, folders: readonly string[]): Libraries {
  for (const generation of generations.filter((each) => each <= newest)) {
    const [nvrtc, cublasLt] = [locate("nvrtc", generation, folders), locate("cublasLt", generation, folders)];
    if (nvrtc && cublasLt) return { generation, nvrtc, cublasLt, cudnn: locate("cudnn", CUDNN, folders) };
  }
  const best = generations.find((each) => each <= newest) ?? generations.at(-1)!;
  const wanted = (["nvrtc", "cublasLt"] as const).filter((name) => !locate(name, best, folders));
  throw new Error(
    `device cuda: ${wanted.map((name) => `lib${name}.so.${best}`).join(" and ")} not found in ${folders.join(", ") || "any folder"}; ` +
      `pip install ${wanted.map((name) => wheel(name, best)).join(" ")}, or set ORTHANT_CUDA_LIBRARIES to the folder`,
  );
}
