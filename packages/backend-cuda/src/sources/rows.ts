// Sources of the kernels on rows of matrices: layer norm and RMS norm with their gradients, sums into rows, sums of squares.
// N rows, D width. Statistics are float32; what is stored as bf16 is computed in float32.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** Threads for a row that they hold between them: a row is read once. */
export const holders = (D: number): number => Math.min(1024, Math.max(32, Math.ceil(D / 4 / 32) * 32));

/** Elements of a row that each of them holds in registers. */
export const heldBy = (D: number): number => Math.ceil(D / holders(D));

/** Widest row that threads can hold. */
export const WIDEST_ROW = 16 * 1024;

/**
 * x `[N, D]` -> y `[N, D]`, stat `[N, 2]` (mean and reciprocal deviation), a block a row of at most `WIDEST_ROW`. Parameters x, gain,
 * bias or 0, y, stat, D, center, epsilon.
 */
export const layerNorm = (name: string, input: Stored, output: Stored, held: number): Omit<Program, "name"> => ({
  takes: "pppppiif",
  source: `
extern "C" __global__ void __launch_bounds__(1024) ${name}(const ${cType[input]}* x, const float* gain, const float* bias, ${cType[output]}* y, float* stat, int D, int center, float epsilon) {
  const ${cType[input]}* from = x + (long long)blockIdx.x * D;
  ${cType[output]}* to = y + (long long)blockIdx.x * D;
  float v[${held}], s = 0, q = 0;
#pragma unroll
  for (int j = 0; j < ${held}; j++) { int i = threadIdx.x + j * blockDim.x; v[j] = i < D ? get(from[i]) : 0.f; s += v[j]; }
  float mean = center ? blockSum(s) / D : 0.f;
#pragma unroll
  for (int j = 0; j < ${held}; j++) { float d = v[j] - mean; if (threadIdx.x + j * blockDim.x < D) q += d * d; }
  float r = rsqrtf(blockSum(q) / D + epsilon);
  if (!threadIdx.x) { stat[2 * blockIdx.x] = mean; stat[2 * blockIdx.x + 1] = r; }
#pragma unroll
  for (int j = 0; j < ${held}; j++) { int i = threadIdx.x + j * blockDim.x; if (i < D) put(to[i], (v[j] - mean) * r * gain[i] + (bias ? bias[i] : 0.f)); }
}`,
});

/** The gradient by x, a block a row. Parameters dy, x, stat, gain, dx, D, center. */
export const layerNormGrad = (
  name: string,
  dy: Stored,
  x: Stored,
  output: Stored,
  held: number,
): Omit<Program, "name"> => ({
  takes: "pppppii",
  source: `
extern "C" __global__ void __launch_bounds__(1024) ${name}(const ${cType[dy]}* dy, const ${cType[x]}* x, const float* stat, const float* gain, ${cType[output]}* dx, int D, int center) {
  long long base = (long long)blockIdx.x * D;
  float mean = stat[2 * blockIdx.x], r = stat[2 * blockIdx.x + 1], a = 0, b = 0, h[${held}], g[${held}];
#pragma unroll
  for (int j = 0; j < ${held}; j++) {
    int i = threadIdx.x + j * blockDim.x;
    h[j] = i < D ? (get(x[base + i]) - mean) * r : 0.f;
    g[j] = i < D ? get(dy[base + i]) * gain[i] : 0.f;
    a += g[j];
    b += g[j] * h[j];
  }
  a = blockSum(a) / D;
  b = blockSum(b) / D;
  if (!center) a = 0;
#pragma unroll
  for (int j = 0; j < ${held}; j++) { int i = threadIdx.x + j * blockDim.x; if (i < D) put(dx[base + i], (g[j] - a - h[j] * b) * r); }
}`,
});

/** Partial sums of `dy h` over rows: -> `[parts, D]`, 32 columns and 8 rows a block. Parameters dy, x, stat, out, N, D, rows a part. */
export const gainGrad = (name: string, dy: Stored, x: Stored): Omit<Program, "name"> => ({
  takes: "ppppiii",
  source: `
extern "C" __global__ void ${name}(const ${cType[dy]}* dy, const ${cType[x]}* x, const float* stat, float* out, int N, int D, int part) {
  __shared__ float results[8][33];
  int lane = threadIdx.x & 31, w = threadIdx.x >> 5, column = blockIdx.x * 32 + lane;
  int from = blockIdx.y * part, to = from + part < N ? from + part : N;
  float s = 0;
  if (column < D)
    for (int r = from + w; r < to; r += 8) {
      long long at = (long long)r * D + column;
      s += get(dy[at]) * (get(x[at]) - stat[2 * r]) * stat[2 * r + 1];
    }
  results[w][lane] = s;
  __syncthreads();
  if (w || column >= D) return;
  for (int j = 1; j < 8; j++) s += results[j][lane];
  out[(long long)blockIdx.y * D + column] = s;
}`,
});

/** `y[index[n]] += x[n]`: x `[N, D]`. Parameters x, index, y, number of elements of x, D, rows of y. An index outside is left out. */
export const sumIntoRows = (name: string, input: Stored, output: "f32" | "i32"): Omit<Program, "name"> => ({
  takes: "pppiii",
  source: `
extern "C" __global__ void ${name}(const ${cType[input]}* x, const int* index, ${cType[output]}* y, int n, int D, int rows) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  int row = index[i / (u32)D];
  if ((u32)row < (u32)rows) atomicAdd(y + (long long)row * D + i % (u32)D, get(x[i]));
}`,
});

/** `y[index[n]] = x[n]`, words of any type. Parameters as those of `sumIntoRows`. */
export const putIntoRows = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppiii",
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, const int* index, ${cType[stored]}* y, int n, int D, int rows) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  int row = index[i / (u32)D];
  if ((u32)row < (u32)rows) y[(long long)row * D + i % (u32)D] = x[i];
}`,
});

/** `y[n, v] = index[n] == v ? on : off`. Parameters index, y, number of elements of y, V, on, off. */
export const oneHot = (name: string, output: Stored): Omit<Program, "name"> => ({
  takes: "ppiiff",
  source: `
extern "C" __global__ void ${name}(const int* index, ${cType[output]}* y, int n, int V, float on, float off) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i < n) put(y[i], index[i / (u32)V] == i % (u32)V ? on : off);
}`,
});
