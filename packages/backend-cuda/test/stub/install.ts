// Builds stub.c and has this process find it in place of NVIDIA's libraries: the code that opens and drives a card then runs unchanged on
// a machine without one. Call it before anything opens a card.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";

const folder = join(import.meta.dirname, "../../../../node_modules/.cache/orthant-stub");

function build(): string {
  mkdirSync(folder, { recursive: true });
  const driver = join(folder, "libcuda.so.1");
  const named = "-Wl,-soname,libcuda.so.1"; // the loader takes a library that is there already by this name
  execFileSync("gcc", ["-O1", "-w", "-fPIC", "-shared", named, "-o", driver, join(import.meta.dirname, "stub.c")]);
  for (const name of ["libnvrtc.so.13", "libcublasLt.so.13", "libcudnn.so.9"])
    if (!existsSync(join(folder, name))) symlinkSync(driver, join(folder, name));
  return driver;
}

/** What the stub has seen. */
export interface Seen {
  /** Kernels launched so far. */
  launches(): number;
  /** The parameters of the last launch as memory: 8 bytes each. */
  last(): ArrayBuffer;
}

/** Loads the stub under the names of NVIDIA's libraries. */
export function installStub(): Seen {
  const library = koffi.load(build(), { global: true });
  process.env.ORTHANT_CUDA_LIBRARIES = folder;
  process.env.ORTHANT_CACHE = join(folder, "kernels");
  const launches = library.func("uint64_t stubLaunches()");
  const copy = library.func("void stubLast(void* into)");
  return {
    launches: () => Number(launches()),
    last() {
      const into = new BigUint64Array(48);
      copy(into);
      return into.buffer;
    },
  };
}
