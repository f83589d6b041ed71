// Sources of reductions of `[O, R, I]` to `[O, I]` over the middle. Sums run in a fixed order: the same bits every time. A long
// middle is cut into parts, one block each, whose results are reduced again; nothing is added with atomics.
import type { Program } from "../driver/gpu.ts";
import { cType, register, type Stored } from "./prelude.ts";

/** How two values become one. */
export interface Reduction {
  /** Start value, C++. */
  readonly start: string;
  /** C++ of a (so far) and b. */
  readonly join: string;
}

export const reductions: Readonly<Record<string, { readonly float: Reduction; readonly int: Reduction }>> = {
  Sum: { float: { start: "0.f", join: "a + b" }, int: { start: "0", join: "a + b" } },
  Prod: { float: { start: "1.f", join: "a * b" }, int: { start: "1", join: "a * b" } },
  Max: {
    float: { start: "-INFF", join: "(a != a ? a : b != b ? b : a > b ? a : b)" },
    int: { start: "(-2147483647 - 1)", join: "(a > b ? a : b)" },
  },
  Min: {
    float: { start: "INFF", join: "(a != a ? a : b != b ? b : a < b ? a : b)" },
    int: { start: "2147483647", join: "(a < b ? a : b)" },
  },
  All: { float: { start: "1.f", join: "(float)(a != 0 && b != 0)" }, int: { start: "1", join: "(int)(a && b)" } },
  Any: { float: { start: "0.f", join: "(float)(a != 0 || b != 0)" }, int: { start: "0", join: "(int)(a || b)" } },
};

export interface Reduce {
  readonly kind: string;
  readonly input: Stored;
  readonly output: Stored;
  /** C++ of x, done to each element first. */
  readonly each: string;
}

/** Shared heads of both kernels: the join and the first map, as functions of registers. */
function parts({ kind, input, each }: Reduce): string {
  const type = register(input);
  const { start, join } = reductions[kind]![type];
  return `
#define START ${start}
INLINE ${type} join(${type} a, ${type} b) { return ${join}; }
INLINE ${type} each(${type} x) { return ${each}; }`;
}

/**
 * Rows: x `[O, R]` -> y `[O, parts]`, a block of any number of warps a part of a row. Parameters x, y, R, elements a part,
 * scale (floats only). Grid x is O, grid y the parts.
 */
export const reduceRows = (name: string, at: Reduce): Omit<Program, "name"> => ({
  takes: "ppiif",
  source: `${parts(at)}
extern "C" __global__ void ${name}(const ${cType[at.input]}* x, ${cType[at.output]}* y, int R, int part, float scale) {
  typedef ${register(at.input)} T;
  __shared__ T results[32];
  long long base = (long long)blockIdx.x * R;
  int from = blockIdx.y * part, to = from + part < R ? from + part : R, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  T s = START;
  int i = from + threadIdx.x;
  for (; i + 3 * (int)blockDim.x < to; i += 4 * blockDim.x) {
    T v[4];
    for (int j = 0; j < 4; j++) v[j] = each(get(x[base + i + j * blockDim.x]));
    s = join(s, join(join(v[0], v[1]), join(v[2], v[3])));
  }
  for (; i < to; i += blockDim.x) s = join(s, each(get(x[base + i])));
  for (int o = 16; o; o >>= 1) s = join(s, __shfl_xor_sync(~0u, s, o));
  if (warps > 1) {
    if (!lane) results[threadIdx.x >> 5] = s;
    __syncthreads();
    s = lane < warps ? results[lane] : (T)START;
    for (int o = 16; o; o >>= 1) s = join(s, __shfl_xor_sync(~0u, s, o));
  }
  if (!threadIdx.x) put(y[(long long)blockIdx.x * gridDim.y + blockIdx.y], ${register(at.input) === "float" ? "s * scale" : "s"});
}`,
});

/**
 * Columns: x `[O, R, I]` -> y `[O, parts, I]`, 32 columns and 8 rows a block. Parameters x, y, R, I, rows a part, blocks along I,
 * scale. Grid x is O times those blocks, grid y the parts.
 */
export const reduceColumns = (name: string, at: Reduce): Omit<Program, "name"> => ({
  takes: "ppiiiif",
  source: `${parts(at)}
extern "C" __global__ void ${name}(const ${cType[at.input]}* x, ${cType[at.output]}* y, int R, int I, int part, int across, float scale) {
  typedef ${register(at.input)} T;
  __shared__ T results[8][33];
  int lane = threadIdx.x & 31, w = threadIdx.x >> 5, column = (blockIdx.x % across) * 32 + lane;
  long long o = blockIdx.x / across;
  int from = blockIdx.y * part, to = from + part < R ? from + part : R;
  T s = START;
  if (column < I) {
    const ${cType[at.input]}* at = x + o * R * I + column;
    int r = from + w;
    for (; r + 24 < to; r += 32) {
      T v[4];
      for (int j = 0; j < 4; j++) v[j] = each(get(at[(long long)(r + 8 * j) * I]));
      s = join(s, join(join(v[0], v[1]), join(v[2], v[3])));
    }
    for (; r < to; r += 8) s = join(s, each(get(at[(long long)r * I])));
  }
  results[w][lane] = s;
  __syncthreads();
  if (w || column >= I) return;
  for (int j = 1; j < 8; j++) s = join(s, results[j][lane]);
  put(y[(o * gridDim.y + blockIdx.y) * I + column], ${register(at.input) === "float" ? "s * scale" : "s"});
}`,
});

/**
 * The same, four columns a thread: 128 columns and 8 rows a block, I a multiple of 4. Parameters as those of `reduceColumns`.
 */
export const reduceWideColumns = (name: string, at: Reduce): Omit<Program, "name"> => ({
  takes: "ppiiiif",
  source: `${parts(at)}
extern "C" __global__ void __launch_bounds__(256) ${name}(const ${cType[at.input]}* x, ${cType[at.output]}* y, int R, int I, int part, int across, float scale) {
  typedef ${register(at.input)} T;
  __shared__ T results[8][128];
  int lane = threadIdx.x & 31, w = threadIdx.x >> 5, column = (blockIdx.x % across) * 128 + lane * 4;
  long long o = blockIdx.x / across;
  int from = blockIdx.y * part, to = from + part < R ? from + part : R;
  T s[4] = {START, START, START, START};
  if (column < I) {
    const ${cType[at.input]}* at = x + o * R * I + column;
    int r = from + w;
    for (; r + 24 < to; r += 32) {
      Four<${cType[at.input]}> v[4];
#pragma unroll
      for (int j = 0; j < 4; j++) v[j] = *(const Four<${cType[at.input]}>*)(at + (long long)(r + 8 * j) * I);
      for (int c = 0; c < 4; c++) s[c] = join(s[c], join(join(each(get(v[0].v[c])), each(get(v[1].v[c]))), join(each(get(v[2].v[c])), each(get(v[3].v[c])))));
    }
    for (; r < to; r += 8) {
      Four<${cType[at.input]}> v = *(const Four<${cType[at.input]}>*)(at + (long long)r * I);
      for (int c = 0; c < 4; c++) s[c] = join(s[c], each(get(v.v[c])));
    }
  }
  for (int c = 0; c < 4; c++) results[w][lane * 4 + c] = s[c];
  __syncthreads();
  column = (blockIdx.x % across) * 128 + threadIdx.x;
  if (threadIdx.x >= 128 || column >= I) return;
  T sum = results[0][threadIdx.x];
  for (int j = 1; j < 8; j++) sum = join(sum, results[j][threadIdx.x]);
  put(y[(o * gridDim.y + blockIdx.y) * I + column], ${register(at.input) === "float" ? "sum * scale" : "sum"});
}`,
});

/** Index of the largest (or smallest) element of each row, the first of equals: x `[O, R]` -> y `[O]` int32, a warp a row. */
export const argRows = (name: string, input: Stored, sign: ">" | "<"): Omit<Program, "name"> => ({
  takes: "ppii",
  source: `
extern "C" __global__ void ${name}(const ${cType[input]}* x, int* y, int O, int R) {
  typedef ${register(input)} T;
  int row = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= O) return;
  const ${cType[input]}* at = x + (long long)row * R;
  T best = get(at[lane < R ? lane : 0]);
  int found = lane < R ? lane : 0;
  for (int i = lane + 32; i < R; i += 32) { T v = get(at[i]); if (v ${sign} best || (best != best && v == v)) { best = v; found = i; } }
  for (int o = 16; o; o >>= 1) {
    T v = __shfl_xor_sync(~0u, best, o);
    int i = __shfl_xor_sync(~0u, found, o);
    if (v ${sign} best || (best != best && v == v) || (v == best && i < found)) { best = v; found = i; }
  }
  if (!lane) y[row] = found;
}`,
});

/** Running sums or products along the middle of `[O, R, I]`, a thread a column. Parameters x, y, O I, R, I, exclusive, reverse. */
export const scan = (name: string, stored: Stored, kind: "Sum" | "Prod"): Omit<Program, "name"> => ({
  takes: "ppiiiii",
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, ${cType[stored]}* y, int n, int R, int I, int exclusive, int reverse) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  long long base = (long long)(i / (u32)I) * R * I + i % (u32)I;
  ${register(stored)} a = ${reductions[kind]![register(stored)].start};
  for (int r = 0; r < R; r++) {
    long long at = base + (long long)(reverse ? R - 1 - r : r) * I;
    ${register(stored)} b = get(x[at]), next = ${reductions[kind]![register(stored)].join};
    put(y[at], exclusive ? a : next);
    a = next;
  }
}`,
});
