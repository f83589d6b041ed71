// Sources of kernels that move elements and compute nothing: strided copies, tiled transposes, rows by index.
import type { Program } from "../driver/gpu.ts";
import { walkOffsets, walkParameters } from "./walk.ts";

/** The type of a word that is moved whole, by its bytes. */
const word: Readonly<Record<number, string>> = { 1: "u8", 2: "u16", 4: "u32", 8: "uint2", 16: "uint4" };

/** `y[..] = x[..]`, both by strides over `rank` dims: x, y, number of words, then the walk's parameters. */
export const stridedCopy = (name: string, bytes: number, rank: number): Omit<Program, "name"> => ({
  takes: `ppi${"i".repeat(3 * rank)}`,
  source: `
extern "C" __global__ void ${name}(const ${word[bytes]}* x, ${word[bytes]}* y, int n, ${walkParameters(rank, ["x", "y"])}) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  ${walkOffsets(rank, ["x", "y"])}
  y[yat] = x[xat];
}`,
});

/** `[batch, R, C] -> [batch, C, R]` through tiles of 32 x 32 in shared memory: x, y, R, C, tiles along C. Grid y is the batch. */
export const tiledTranspose = (name: string, bytes: number): Omit<Program, "name"> => ({
  takes: "ppiii",
  source: `
extern "C" __global__ void ${name}(const ${word[bytes]}* x, ${word[bytes]}* y, int R, int C, int tiles) {
  __shared__ ${word[bytes]} tile[32][33];
  int column = threadIdx.x & 31, row = threadIdx.x >> 5;
  int r0 = (blockIdx.x / tiles) * 32, c0 = (blockIdx.x % tiles) * 32;
  long long base = (long long)blockIdx.y * R * C;
  for (int r = row; r < 32; r += 8)
    if (r0 + r < R && c0 + column < C) tile[r][column] = x[base + (long long)(r0 + r) * C + c0 + column];
  __syncthreads();
  for (int r = row; r < 32; r += 8)
    if (c0 + r < C && r0 + column < R) y[base + (long long)(c0 + r) * R + r0 + column] = tile[column][r];
}`,
});

/**
 * `y[o, k, :] = x[o, index[k], :]`: x `[O, R, inner]`, index `[K]` -> `[O, K, inner]`, in words; parameters x, index, y,
 * number of words of y, K, R, inner. An index outside gives zeros.
 */
export const gatherRows = (name: string, bytes: number): Omit<Program, "name"> => ({
  takes: "pppiiii",
  source: `
extern "C" __global__ void ${name}(const ${word[bytes]}* x, const int* index, ${word[bytes]}* y, int n, int K, int R, int inner) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  u32 d = i % (u32)inner, row = i / (u32)inner, k = row % (u32)K, o = row / (u32)K;
  int from = index[k];
  ${word[bytes]} none = {};
  y[i] = (u32)from < (u32)R ? x[((long long)o * R + from) * inner + d] : none;
}`,
});

/**
 * Flat places from coordinates: index `[K, depth]`, then one stride a dim. With them, gatherNd is `gatherRows` and scatterNd
 * a sum into rows. Parameters index, place, K, depth, strides and sizes of the dims (an index outside gives -1).
 */
export const flatPlaces = (name: string, depth: number): Omit<Program, "name"> => {
  const dims = Array.from({ length: depth }, (_, d) => d);
  return {
    takes: `ppi${"ii".repeat(depth)}`,
    source: `
extern "C" __global__ void ${name}(const int* index, int* place, int K, ${dims.map((d) => `int t${d}, int n${d}`).join(", ")}) {
  u32 k = blockIdx.x * 256u + threadIdx.x;
  if (k >= K) return;
  int at = 0, ok = 1;
  ${dims.map((d) => `{ int c = index[k * ${depth} + ${d}]; ok &= (u32)c < (u32)n${d}; at += c * t${d}; }`).join("\n  ")}
  place[k] = ok ? at : -1;
}`,
  };
};
