// A `Gpu` that runs nothing: it keeps the programs it is asked to compile, so that they can be given to NVRTC.
import type { Gpu, Program } from "../../src/driver/gpu.ts";

export function recorder(): Gpu & { readonly programs: Map<string, Program> } {
  const programs = new Map<string, Program>();
  let next = 4096;
  return {
    name: "recorder",
    processors: 132,
    programs,
    allocate(bytes) {
      next += 4096 * Math.ceil(bytes / 4096);
      return next;
    },
    free: () => undefined,
    memory: () => ({ free: 2 ** 40, total: 2 ** 40 }),
    upload: () => undefined,
    download: () => undefined,
    downloadLater: async () => undefined,
    copy: () => undefined,
    fill: () => undefined,
    compile(program) {
      programs.set(program.name, program);
      return () => undefined;
    },
    multiply: () => undefined,
    multiplies: () => true,
    wait: () => undefined,
    time: async () => 0,
    close: () => undefined,
  };
}
