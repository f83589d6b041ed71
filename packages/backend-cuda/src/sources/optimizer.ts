// Sources of AdamW's update, of one parameter and of many, of their sums of squares, and of gelu's gradient.
import type { Program } from "../driver/gpu.ts";
import { bytesOf, cType, type Stored } from "./prelude.ts";

/** Constants of `adamw`, in the order of its parameters. */
export const adamwConstants = ["beta1", "beta2", "eps", "rate", "unbias2", "keep", "scale"] as const;

/**
 * The new value and moments (Loshchilov and Hutter 2019), and where `half` the value in bf16 too. Parameters value, grad, m, v,
 * new value, new m, new v, new half or 0, n, constants.
 */
export const adamw = (name: string, grad: Stored, half: boolean): Omit<Program, "name"> => ({
  takes: "ppppppppifffffff",
  source: `
extern "C" __global__ void ${name}(const float* value, const ${cType[grad]}* grad, const float* m, const float* v, float* y, float* ym, float* yv, bf16* low, int n,
    ${adamwConstants.map((each) => `float ${each}`).join(", ")}) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  Four<float> w, a, q;
  Four<${cType[grad]}> g;
  int few = i + 4 <= n ? 4 : n - i;
  if (few == 4) {
    w = *(const Four<float>*)(value + i); a = *(const Four<float>*)(m + i);
    q = *(const Four<float>*)(v + i); g = *(const Four<${cType[grad]}>*)(grad + i);
  } else for (int j = 0; j < few; j++) { w.v[j] = value[i + j]; a.v[j] = m[i + j]; q.v[j] = v[i + j]; g.v[j] = grad[i + j]; }
  for (int j = 0; j < few; j++) {
    float d = get(g.v[j]) * scale;
    a.v[j] = beta1 * a.v[j] + (1.f - beta1) * d;
    q.v[j] = beta2 * q.v[j] + (1.f - beta2) * d * d;
    w.v[j] = keep * w.v[j] - rate * a.v[j] / (sqrtf(unbias2 * q.v[j]) + eps);
  }
  if (few == 4) { *(Four<float>*)(y + i) = w; *(Four<float>*)(ym + i) = a; *(Four<float>*)(yv + i) = q; }
  else for (int j = 0; j < few; j++) { y[i + j] = w.v[j]; ym[i + j] = a.v[j]; yv[i + j] = q.v[j]; }
  ${half ? "for (int j = 0; j < few; j++) put(low[i + j], w.v[j]);" : ""}
}`,
});

/** Elements that one block of `adamwAll` and `squaresAll` has. */
export const CHUNK = 8192;

/** Bytes of a row of the table of `adamwAll`: seven addresses, that of a bf16 copy or 0, elements, first block, what decay leaves. */
export const ADAMW_ROW = 80;

/** Finds the row of a table whose blocks this one is among, by the first block of each. */
const find = `
INLINE int rowOf(const Row* rows, int count) {
  int low = 0, high = count - 1;
  while (low < high) { int middle = (low + high + 1) >> 1; if (rows[middle].first <= (int)blockIdx.x) low = middle; else high = middle - 1; }
  return low;
}`;

/** AdamW of many parameters, a block a chunk. Parameters table, its rows, constants without what decay leaves. */
export const adamwAll = (name: string, grad: Stored): Omit<Program, "name"> => ({
  takes: "piffffff",
  blockBytes: (24 + bytesOf[grad]) * CHUNK, // value, moments and gradient read, value and moments written
  source: `
struct Row { const float *value; const ${cType[grad]}* grad; const float *m, *v; float *y, *ym, *yv; bf16* low; int n, first; float keep; int unused; };${find}
extern "C" __global__ void __launch_bounds__(256) ${name}(const Row* rows, int count, float beta1, float beta2, float eps, float rate, float unbias2, float scale) {
  Row at = rows[rowOf(rows, count)];
  int from = ((int)blockIdx.x - at.first) * ${CHUNK}, to = from + ${CHUNK} < at.n ? from + ${CHUNK} : at.n;
  for (int i = from + threadIdx.x * 4; i < to; i += 1024) {
    Four<float> w, a, q;
    Four<${cType[grad]}> g;
    int few = i + 4 <= to ? 4 : to - i;
    if (few == 4) {
      w = *(const Four<float>*)(at.value + i); a = *(const Four<float>*)(at.m + i);
      q = *(const Four<float>*)(at.v + i); g = *(const Four<${cType[grad]}>*)(at.grad + i);
    } else for (int j = 0; j < few; j++) { w.v[j] = at.value[i + j]; a.v[j] = at.m[i + j]; q.v[j] = at.v[i + j]; g.v[j] = at.grad[i + j]; }
    for (int j = 0; j < few; j++) {
      float d = get(g.v[j]) * scale;
      a.v[j] = beta1 * a.v[j] + (1.f - beta1) * d;
      q.v[j] = beta2 * q.v[j] + (1.f - beta2) * d * d;
      w.v[j] = at.keep * w.v[j] - rate * a.v[j] / (sqrtf(unbias2 * q.v[j]) + eps);
    }
    if (few == 4) {
      *(Four<float>*)(at.y + i) = w; *(Four<float>*)(at.ym + i) = a; *(Four<float>*)(at.yv + i) = q;
      if (at.low) { Four<bf16> h; for (int j = 0; j < 4; j++) put(h.v[j], w.v[j]); *(Four<bf16>*)(at.low + i) = h; }
    } else for (int j = 0; j < few; j++) {
      at.y[i + j] = w.v[j]; at.ym[i + j] = a.v[j]; at.yv[i + j] = q.v[j];
      if (at.low) put(at.low[i + j], w.v[j]);
    }
  }
}`,
});

/** Bytes of a row of the table of `squaresAll`: an address, elements, first block. */
export const SQUARES_ROW = 16;

/** Sums of squares of chunks of many tensors, a block a chunk, -> a number a block. Parameters table, its rows, partial sums. */
export const squaresAll = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pip",
  blockBytes: bytesOf[stored] * CHUNK,
  source: `
struct Row { const ${cType[stored]}* x; int n, first; };${find}
extern "C" __global__ void __launch_bounds__(256) ${name}(const Row* rows, int count, float* sums) {
  Row at = rows[rowOf(rows, count)];
  int from = ((int)blockIdx.x - at.first) * ${CHUNK}, to = from + ${CHUNK} < at.n ? from + ${CHUNK} : at.n;
  float s = 0;
  if ((u64)at.x % sizeof(Four<${cType[stored]}>) == 0 && to - from == ${CHUNK}) {
#pragma unroll
    for (int c = 0; c < ${CHUNK / 1024}; c++) {
      Four<${cType[stored]}> x = *(const Four<${cType[stored]}>*)(at.x + from + c * 1024 + threadIdx.x * 4);
      for (int j = 0; j < 4; j++) s += get(x.v[j]) * get(x.v[j]);
    }
  } else for (int i = from + threadIdx.x; i < to; i += 256) s += get(at.x[i]) * get(at.x[i]);
  s = blockSum(s);
  if (!threadIdx.x) sums[blockIdx.x] = s;
}`,
});

/** The partial sums of each tensor added up, a warp a tensor. Parameters table, its rows, all blocks, partial sums, sums. */
export const squaresSums = (name: string): Omit<Program, "name"> => ({
  takes: "piipp",
  source: `
struct Row { const void* x; int n, first; };
extern "C" __global__ void ${name}(const Row* rows, int count, int blocks, const float* parts, float* sums) {
  int row = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= count) return;
  int to = row + 1 < count ? rows[row + 1].first : blocks;
  double s = 0;
  for (int i = rows[row].first + lane; i < to; i += 32) s += parts[i];
  for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
  if (!lane) sums[row] = (float)s;
}`,
});

/** The tanh form of gelu through one sigmoid: `x sigmoid(x (A + B x^2))`. */
export const gelu = "a / (1.f + __expf(-a * (1.5957691216057308f + 0.07135481282852f * a * a)))";

/** gelu(x) and `dy gelu'(x)`. Parameters x, dy, y, dx, n. */
export const geluGrad = (name: string, x: Stored, dy: Stored, output: Stored): Omit<Program, "name"> => ({
  takes: "ppppi",
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[dy]}* dy, ${cType[output]}* y, ${cType[output]}* dx, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  Four<${cType[x]}> a; Four<${cType[dy]}> g; Four<${cType[output]}> u, w;
  int few = i + 4 <= n ? 4 : n - i;
  if (few == 4) { a = *(const Four<${cType[x]}>*)(x + i); g = *(const Four<${cType[dy]}>*)(dy + i); }
  else for (int j = 0; j < few; j++) { a.v[j] = x[i + j]; g.v[j] = dy[i + j]; }
  for (int j = 0; j < few; j++) {
    float t = get(a.v[j]), s = __fdividef(1.f, 1.f + __expf(-t * (1.5957691216057308f + 0.07135481282852f * t * t))), v = t * s;
    put(u.v[j], v);
    put(w.v[j], ((v - v * s) * (1.5957691216057308f + 0.21406443848856f * t * t) + s) * get(g.v[j]));
  }
  if (few == 4) { *(Four<${cType[output]}>*)(y + i) = u; *(Four<${cType[output]}>*)(dx + i) = w; }
  else for (int j = 0; j < few; j++) { y[i + j] = u.v[j]; dx[i + j] = w.v[j]; }
}`,
});

/** a + b, and the same in bf16. Parameters a, b, sum, its bf16 copy, n. */
export const addGradient = (name: string, a: Stored, b: Stored): Omit<Program, "name"> => ({
  takes: "ppppi",
  source: `
extern "C" __global__ void ${name}(const ${cType[a]}* a, const ${cType[b]}* b, float* y, bf16* low, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i + 4 <= n) {
    Four<${cType[a]}> p = *(const Four<${cType[a]}>*)(a + i);
    Four<${cType[b]}> q = *(const Four<${cType[b]}>*)(b + i);
    Four<float> s;
    Four<bf16> h;
    for (int j = 0; j < 4; j++) { s.v[j] = get(p.v[j]) + get(q.v[j]); put(h.v[j], s.v[j]); }
    *(Four<float>*)(y + i) = s;
    *(Four<bf16>*)(low + i) = h;
  } else for (; i < n; i++) { y[i] = get(a[i]) + get(b[i]); put(low[i], y[i]); }
}`,
});
