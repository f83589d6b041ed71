// Sources of the kernels on rows of matrices: layer norm and RMS norm with their gradients, sums into rows, sums of squares.
// N rows, D width. Statistics are float32; what is stored as bf16 is computed in float32.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** How a block holds rows in registers: a warp a row, four rows a block, up to 1024 elements; from then on all threads one row. */
export interface Hold {
  /** Threads of a row. */
  readonly threads: number;
  /** Rows that a block has at a time. */
  readonly rows: number;
  /** Elements that a thread reads in one go. */
  readonly wide: 1 | 4;
  /** Times that it does. */
  readonly times: number;
}

/** Widest row that threads can hold. */
export const WIDEST_ROW = 16 * 1024;

export function holdFor(D: number): Hold {
  const wide = D % 4 === 0 ? 4 : 1;
  const threads = D <= 1024 ? 32 : Math.min(1024, Math.ceil(D / 16 / 32) * 32);
  return { threads, rows: threads === 32 ? 4 : 1, wide, times: Math.ceil(D / wide / threads) };
}

/** For `layerNormGrad`: twice the rows a block, so that sums of a vector over rows come in half as many parts. */
export function holdForGrad(D: number): Hold {
  const hold = holdFor(D);
  return { ...hold, rows: hold.rows === 1 ? 1 : 2 * hold.rows };
}

/** Names a kernel's hold. */
export const holdName = ({ threads, wide, times }: Hold): string => `${threads}x${times}x${wide}`;

/** What these kernels begin with: `EACH` runs over what a thread holds of a row, with `i` its element. */
export const held = ({ threads, rows, wide, times }: Hold): string => `
#define THREADS ${threads}
#define ROWS ${rows}
#define WIDE ${wide}
#define TIMES ${times}
#define HELD ${wide * times}
#define EACH _Pragma("unroll") for (int c = 0; c < TIMES; c++) if (int i = (lane + c * THREADS) * WIDE; i < D)
INLINE float rowSum(float x) { return ${threads === 32 ? "warpSum(x)" : "blockSum(x)"}; }
template <class T> struct alignas(WIDE * sizeof(T)) Piece { T v[WIDE]; };
template <class T> INLINE void load(float* to, const T* from) {
  Piece<T> p = *(const Piece<T>*)from;
#pragma unroll
  for (int j = 0; j < WIDE; j++) to[j] = get(p.v[j]);
}
template <class T> INLINE void store(T* to, const float* from) {
  Piece<T> p;
#pragma unroll
  for (int j = 0; j < WIDE; j++) put(p.v[j], from[j]);
  *(Piece<T>*)to = p;
}`;

/**
 * x `[N, D]` -> y `[N, D]`, stat `[N, 2]` (mean and reciprocal deviation). Parameters x, gain, bias or 0, y, stat, N, D, center, epsilon.
 * Grid x is N over the rows that a block has.
 */
export const layerNorm = (name: string, input: Stored, output: Stored, hold: Hold): Omit<Program, "name"> => ({
  takes: "pppppiiif",
  source: `${held(hold)}
extern "C" __global__ void __launch_bounds__(THREADS * ROWS) ${name}(const ${cType[input]}* x, const float* gain, const float* bias, ${cType[output]}* y, float* stat, int N, int D, int center, float epsilon) {
  int lane = threadIdx.x % THREADS, row = blockIdx.x * ROWS + threadIdx.x / THREADS;
  if (row >= N) return;
  long long base = (long long)row * D;
  float v[HELD], s = 0, q = 0;
  EACH { load(v + c * WIDE, x + base + i); for (int j = 0; j < WIDE; j++) s += v[c * WIDE + j]; }
  float mean = center ? rowSum(s) / D : 0.f;
  EACH for (int j = 0; j < WIDE; j++) { float d = v[c * WIDE + j] - mean; q += d * d; }
  float r = rsqrtf(rowSum(q) / D + epsilon);
  if (!lane) { stat[2ll * row] = mean; stat[2ll * row + 1] = r; }
  EACH {
    float g[WIDE], b[WIDE] = {}, o[WIDE];
    load(g, gain + i);
    if (bias) load(b, bias + i);
    for (int j = 0; j < WIDE; j++) o[j] = (v[c * WIDE + j] - mean) * r * g[j] + b[j];
    store(y + base + i, o);
  }
}`,
});

/** Adds up what the rows of a block have of one vector, in shared memory, and stores it `at` elements behind. */
const sumOf = (vector: string, at: string): string => `
  __syncthreads();
  EACH for (int j = 0; j < WIDE; j++) all[w][i + j] = ${vector}[c * WIDE + j];
  __syncthreads();
  for (int i = threadIdx.x; i < D; i += THREADS * ROWS) { float s = 0; for (int k = 0; k < ROWS; k++) s += all[k][i]; to[${at}i] = s; }`;

/** The end of `layerNormGrad`: a block's sums for gain and bias. */
const sumsOf = ({ rows }: Hold, center: boolean): string =>
  rows === 1
    ? `EACH { store(to + i, sums + c * WIDE); ${center ? "store(to + D + i, biases + c * WIDE);" : ""} }`
    : `__shared__ float all[ROWS][HELD * THREADS];${sumOf("sums", "")}${center ? sumOf("biases", "D + ") : ""}`;

/**
 * The gradient by x, and sums of those by gain and bias over the rows that a block has: -> dx `[N, D]`, parts `[blocks, 2, D]`, or
 * `[blocks, 1, D]` without `center`. A block takes every so many rows. Parameters dy, x, stat, gain, dx, parts, N, D.
 */
export const layerNormGrad = (
  name: string,
  dy: Stored,
  x: Stored,
  output: Stored,
  hold: Hold,
  center: boolean,
): Omit<Program, "name"> => ({
  takes: "ppppppii",
  source: `${held(hold)}
extern "C" __global__ void __launch_bounds__(THREADS * ROWS) ${name}(const ${cType[dy]}* dy, const ${cType[x]}* x, const float* stat, const float* gain, ${cType[output]}* dx, float* parts, int N, int D) {
  int lane = threadIdx.x % THREADS, w = threadIdx.x / THREADS;
  float sums[HELD] = {}${center ? ", biases[HELD] = {}" : ""};
  for (int row = blockIdx.x * ROWS + w; row < N; row += gridDim.x * ROWS) {
    long long base = (long long)row * D;
    float mean = stat[2ll * row], r = stat[2ll * row + 1], a = 0, b = 0, h[HELD], g[HELD];
    EACH { load(h + c * WIDE, x + base + i); load(g + c * WIDE, dy + base + i); }
    EACH {
      float k[WIDE];
      load(k, gain + i);
      for (int j = 0; j < WIDE; j++) {
        int e = c * WIDE + j;
        h[e] = (h[e] - mean) * r;
        sums[e] += g[e] * h[e];
        ${center ? "biases[e] += g[e];" : ""}
        g[e] *= k[j];
        a += g[e];
        b += g[e] * h[e];
      }
    }
    a = ${center ? "rowSum(a) / D" : "0"};
    b = rowSum(b) / D;
    EACH { float o[WIDE]; for (int j = 0; j < WIDE; j++) o[j] = (g[c * WIDE + j] - a - h[c * WIDE + j] * b) * r; store(dx + base + i, o); }
  }
  float* to = parts + (long long)blockIdx.x * ${center ? 2 : 1} * D;
  ${sumsOf(hold, center)}
}`,
});

/** The parts of `layerNormGrad` added up, `[count, D or 2 D]` -> gains `[D]`, biases `[D]`. Parameters parts, gains, biases, count, D, width. */
export const normSums = (name: string): Omit<Program, "name"> => ({
  takes: "pppiii",
  source: `
extern "C" __global__ void __launch_bounds__(1024) ${name}(const float* parts, float* gains, float* biases, int count, int D, int width) {
  __shared__ float results[32][33];
  int lane = threadIdx.x & 31, w = threadIdx.x >> 5, column = blockIdx.x * 32 + lane;
  float s = 0;
  if (column < width) {
#pragma unroll 4
    for (int r = w; r < count; r += 32) s += parts[(long long)r * width + column];
  }
  results[w][lane] = s;
  __syncthreads();
  if (w || column >= width) return;
  for (int j = 1; j < 32; j++) s += results[j][lane];
  if (column < D) gains[column] = s; else biases[column - D] = s;
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
