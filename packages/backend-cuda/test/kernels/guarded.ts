// An allocator for tests: blocks of exactly the bytes asked for, filled with NaN, between guards that are checked on return.
import type { Gpu } from "../../src/driver/gpu.ts";
import type { Allocator } from "../../src/memory/allocator.ts";

const GUARD = 256;
const [POISON, FENCE] = [0xffffffff, 0x5ca1ab1e];

export function guarded(gpu: Gpu): Allocator {
  let [used, peak, allocations] = [0, 0, 0];
  const fence = new Uint8Array(Uint32Array.from({ length: GUARD / 4 }, () => FENCE).buffer);
  const check = (at: number, what: string): void => {
    const found = new Uint8Array(GUARD);
    gpu.download(found, at);
    if (Buffer.compare(found, fence)) throw new Error(`a kernel wrote ${what} a tensor`);
  };
  return {
    take(bytes) {
      const whole = Math.ceil(bytes / 4) * 4;
      const base = gpu.allocate(whole + 2 * GUARD);
      gpu.fill(base + GUARD, POISON, whole / 4);
      gpu.upload(base, fence);
      gpu.upload(base + GUARD + bytes, fence);
      used += bytes;
      peak = Math.max(peak, used);
      allocations++;
      return base + GUARD;
    },
    give(address, bytes) {
      check(address - GUARD, "before");
      check(address + bytes, "behind");
      used -= bytes;
      gpu.free(address - GUARD);
    },
    counters: () => ({ used, peak, held: used, allocations }),
    resetPeak() {
      peak = used;
    },
    trim: () => undefined,
  };
}
