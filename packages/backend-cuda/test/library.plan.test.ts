// Where libraries are looked for, which are taken, and what is said where there are none.
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cached, cacheFolder, cacheKey } from "../src/driver/cache.ts";
import { driverCalls } from "../src/driver/calls.ts";
import { architectureFor } from "../src/driver/nvrtc.ts";
import { findLibraries, locate } from "../src/library/find.ts";
import { places } from "../src/library/places.ts";

const folder = (): string => mkdtempSync(join(tmpdir(), "orthant-cuda-"));

/** A folder with empty files. */
function holding(...files: string[]): string {
  const made = folder();
  for (const file of files) writeFileSync(join(made, file), "");
  return made;
}

const both = (generation: number): string[] => [`libnvrtc.so.${generation}`, `libcublasLt.so.${generation}`];

test("Python's wheels, a toolkit and a folder of one's own are places; one's own comes first", () => {
  const [site, toolkit, own] = [folder(), folder(), folder()];
  for (const wheel of ["cublas", "cu13"]) mkdirSync(join(site, "nvidia", wheel, "lib"), { recursive: true });
  mkdirSync(join(toolkit, "lib64"));
  const found = places({ ORTHANT_CUDA_LIBRARIES: own, PYTHONPATH: site, CUDA_HOME: toolkit, PATH: "" });
  const wanted = [own, join(site, "nvidia/cublas/lib"), join(site, "nvidia/cu13/lib"), join(toolkit, "lib64")];
  expect(found.filter((each) => wanted.includes(each))).toEqual(wanted);
});

test("the newest generation that the driver runs is taken, both libraries of one", () => {
  const folders = [holding(...both(12)), holding(...both(13))];
  expect(findLibraries(13, folders).generation).toBe(13);
  expect(findLibraries(12, folders).generation).toBe(12);
  expect(findLibraries(13, [holding("libnvrtc.so.13", ...both(12))]).generation).toBe(12);
});

test("a full version in the name counts, alternatives do not", () => {
  expect(locate("nvrtc", 12, [holding("libnvrtc.so.12.4.1")])).toMatch(/12\.4\.1$/);
  expect(locate("nvrtc", 12, [holding("libnvrtc.alt.so.12", "libnvrtc-builtins.so.12")])).toBeUndefined();
});

test("without libraries one line says what was looked for, where, and what to install", () => {
  const empty = folder();
  expect(() => findLibraries(13, [empty])).toThrow(
    `device cuda: libnvrtc.so.13 and libcublasLt.so.13 not found in ${empty}; pip install nvidia-cuda-nvrtc nvidia-cublas`,
  );
  expect(() => findLibraries(12, [holding("libnvrtc.so.12")])).toThrow("pip install nvidia-cublas-cu12");
});

test("without a driver one line says so", () => {
  expect(() => driverCalls("libcuda-that-is-not-there.so.1")).toThrow(/no NVIDIA driver, libcuda-that-is-not-there/);
});

test("a card newer than NVRTC gets PTX of the newest it knows; Hopper its own features", () => {
  expect(architectureFor(90, [80, 90])).toBe("sm_90a");
  expect(architectureFor(80, [80, 90])).toBe("sm_80");
  expect(architectureFor(100, [80, 90])).toBe("compute_90");
  expect(() => architectureFor(70, [80])).toThrow("NVRTC knows no architecture up to 70");
});

test("what was compiled is read from the disk, by source, architecture and version", () => {
  const [at, image] = [join(folder(), "deep"), Uint8Array.of(1, 2, 3)];
  const key = cacheKey("source", "sm_90a", "13.0");
  expect(cached(at, key, () => image)).toEqual(image);
  expect([...cached(at, key, () => Uint8Array.of(9))]).toEqual([1, 2, 3]);
  expect(readdirSync(at)).toEqual([key]);
  expect(cacheKey("source", "sm_90a", "13.1")).not.toBe(key);
  expect(cacheKey("sources", "m_90a", "13.0")).not.toBe(key);
});

test("where nothing can be written, kernels are made again", () => {
  const file = join(holding("file"), "file");
  expect([...cached(file, "key", () => Uint8Array.of(7))]).toEqual([7]);
  expect(cacheFolder({ ORTHANT_CACHE: "elsewhere" })).toBe("elsewhere");
});
