// The source of uniform numbers by counter, the bits of core's own (docs/decisions/004-random.md): Philox 4x32-10 (Salmon, Moraes, Dror,
// Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011). Integer arithmetic and one exact product.
import type { Program } from "../driver/gpu.ts";

const dims = (rank: number): number[] => Array.from({ length: rank }, (_, d) => d);

/**
 * y `[n]`: an element's number is of counter `from` plus its place along each of `rank` dims times a stride. A number a thread: what four
 * share is worked out again, since the write takes as long. Parameters y, n, two words of the key, from, then size and stride of each dim.
 */
export const uniform = (name: string, rank: number): Omit<Program, "name"> => ({
  takes: `piiip${"pp".repeat(rank)}`,
  source: `
extern "C" __global__ void ${name}(float* y, int n, u32 k0, u32 k1, u64 from${dims(rank)
    .map((d) => `, u64 n${d}, u64 s${d}`)
    .join("")}) {
  u32 i = blockIdx.x * 256u + threadIdx.x, rest = i;
  if (i >= n) return;
  u64 at = from;
${dims(rank)
  .reverse()
  .map((d) => (d ? `  at += rest % (u32)n${d} * s${d}; rest /= (u32)n${d};` : "  at += rest * s0;"))
  .join("\n")}
  u64 block = at >> 2;
  u32 c0 = (u32)block, c1 = (u32)(block >> 32), c2 = 0, c3 = 0;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    u64 a = (u64)0xd2511f53u * c0, b = (u64)0xcd9e8d57u * c2;
    c0 = (u32)(b >> 32) ^ c1 ^ k0;
    c1 = (u32)b;
    c2 = (u32)(a >> 32) ^ c3 ^ k1;
    c3 = (u32)a;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  u32 which = (u32)at & 3u, word = which == 0 ? c0 : which == 1 ? c1 : which == 2 ? c2 : c3;
  y[i] = (float)(word >> 8) * 5.9604644775390625e-8f; // 2^-24
}`,
});
