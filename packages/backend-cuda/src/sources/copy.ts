// Sources of kernels that move elements and compute nothing: strided copies, tiled transposes, rows by index.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";
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

const letters = (count: number): string[] => Array.from({ length: count }, (_, i) => `x${i}`);

/** Most matrices that are joined or parted at once. */
export const BESIDE = 8;

/** `count` matrices `[D, W]` side by side as one `[D, count W]`, four elements a thread, W a multiple of 4. Parameters matrices, y, elements of y, W. */
export const joinColumns = (name: string, from: Stored, to: Stored, count: number): Omit<Program, "name"> => ({
  takes: `${"p".repeat(count)}pii`,
  source: `
extern "C" __global__ void ${name}(${letters(count)
    .map((x) => `const ${cType[from]}* ${x}`)
    .join(", ")}, ${cType[to]}* y, int n, int W) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  const ${cType[from]}* all[] = {${letters(count).join(", ")}};
  u32 row = i / (u32)(W * ${count}), column = i % (u32)(W * ${count});
  Four<${cType[from]}> v = *(const Four<${cType[from]}>*)(all[column / (u32)W] + (long long)row * W + column % (u32)W);
  Four<${cType[to]}> o;
  for (int j = 0; j < 4; j++) put(o.v[j], get(v.v[j]));
  *(Four<${cType[to]}>*)(y + i) = o;
}`,
});

/** The way back: x `[D, count W]` -> `count` matrices `[D, W]`. Parameters x, matrices, elements of x, W. */
export const partColumns = (name: string, stored: Stored, count: number): Omit<Program, "name"> => ({
  takes: `p${"p".repeat(count)}ii`,
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, ${letters(count)
    .map((each) => `${cType[stored]}* ${each}`)
    .join(", ")}, int n, int W) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  ${cType[stored]}* all[] = {${letters(count).join(", ")}};
  u32 row = i / (u32)(W * ${count}), column = i % (u32)(W * ${count});
  *(Four<${cType[stored]}>*)(all[column / (u32)W] + (long long)row * W + column % (u32)W) = *(const Four<${cType[stored]}>*)(x + i);
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
