// Sources of convolutions and pooling over `[B, H, W, C]`. A convolution is a product over patches: gathered here, and scattered back
// by what reads each patch, so that sums run in one order and nothing is added with atomics. Depthwise ones are loops.
// H, W rows and columns in; P, Q rows and columns out; R, S those of a window; C channels in; M filters a channel
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** The window, as every kernel here takes it: H, W, C, P, Q, R, S, strides, dilations, padding before rows and columns. */
export const windowNames = ["H", "W", "C", "P", "Q", "R", "S", "sh", "sw", "dh", "dw", "top", "left"] as const;

const windowTakes = "i".repeat(windowNames.length);
const window = windowNames.map((name) => `int ${name}`).join(", ");

/** x -> patches `[n P Q, R S C]` of n samples, four channels a thread where they are a multiple of 4. Parameters x, y, number of threads, window. */
export const patches = (name: string, from: Stored, to: Stored, wide: 1 | 4): Omit<Program, "name"> => ({
  takes: `ppi${windowTakes}`,
  source: `
struct alignas(${wide} * sizeof(${cType[from]})) In { ${cType[from]} v[${wide}]; };
struct alignas(${wide} * sizeof(${cType[to]})) Out { ${cType[to]} v[${wide}]; };
extern "C" __global__ void ${name}(const ${cType[from]}* x, ${cType[to]}* y, int n, ${window}) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  u32 c = i % (u32)(C / ${wide}) * ${wide}, rest = i / (u32)(C / ${wide});
  u32 s = rest % (u32)S; rest /= (u32)S;
  u32 r = rest % (u32)R; rest /= (u32)R;
  u32 q = rest % (u32)Q; rest /= (u32)Q;
  int p = rest % (u32)P, b = rest / (u32)P, h = p * sh - top + (int)r * dh, w = (int)q * sw - left + (int)s * dw;
  In v = {};
  if ((u32)h < (u32)H && (u32)w < (u32)W) v = *(const In*)(x + (((long long)b * H + h) * W + w) * C + c);
  Out o;
  for (int j = 0; j < ${wide}; j++) put(o.v[j], get(v.v[j]));
  *(Out*)(y + (long long)i * ${wide}) = o;
}`,
});

/** Statements before a loop over the windows that read element (h, w): `BODY` sees p, q, r, s. */
const eachWindow = (body: string): string => `
  for (int r = 0; r < R; r++) {
    int up = h + top - r * dh;
    if (up < 0 || up % sh || up / sh >= P) continue;
    for (int s = 0; s < S; s++) {
      int over = w + left - s * dw;
      if (over < 0 || over % sw || over / sw >= Q) continue;
      int p = up / sh, q = over / sw;
      ${body}
    }
  }`;

/** Takes the index over `[B, H, W, C]` apart. */
const place = `
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  u32 rest = i / (u32)C;
  int c = i % (u32)C, w = rest % (u32)W, h = rest / (u32)W % (u32)H, b = rest / (u32)W / (u32)H;`;

/** The way back: y `[n P Q, R S C]` -> x, the sum of what each element went into. Parameters y, x, number of threads, window. */
export const addPatches = (name: string, stored: Stored, wide: 1 | 4): Omit<Program, "name"> => ({
  takes: `ppi${windowTakes}`,
  source: `
struct alignas(${wide} * sizeof(${cType[stored]})) Piece { ${cType[stored]} v[${wide}]; };
extern "C" __global__ void ${name}(const ${cType[stored]}* y, ${cType[stored]}* x, int n, ${window}) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  u32 rest = i / (u32)(C / ${wide});
  int c = i % (u32)(C / ${wide}) * ${wide}, w = rest % (u32)W, h = rest / (u32)W % (u32)H, b = rest / (u32)W / (u32)H;
  float sum[${wide}] = {};${eachWindow(`
      Piece v = *(const Piece*)(y + ((((((long long)b * P + p) * Q + q) * R + r) * S + s) * C + c));
      for (int j = 0; j < ${wide}; j++) sum[j] += get(v.v[j]);`)}
  Piece o;
  for (int j = 0; j < ${wide}; j++) put(o.v[j], sum[j]);
  *(Piece*)(x + (long long)i * ${wide}) = o;
}`,
});

/** Takes the index over `[B, P, Q, channels]` apart. */
const placeOut = (channels: string): string => `
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  u32 rest = i / (u32)(${channels});
  int k = i % (u32)(${channels}), q = rest % (u32)Q, p = rest / (u32)Q % (u32)P, b = rest / (u32)Q / (u32)P;`;

/** A loop over the elements of the window at (p, q) that are inside: `body` sees r, s, h, w. */
const eachElement = (body: string): string => `
  for (int r = 0; r < R; r++) {
    int h = p * sh - top + r * dh;
    if ((u32)h >= (u32)H) continue;
    for (int s = 0; s < S; s++) {
      int w = q * sw - left + s * dw;
      if ((u32)w >= (u32)W) continue;
      ${body}
    }
  }`;

/** x, filter `[R, S, C, M]` -> y `[B, P, Q, C M]`. Parameters x, filter, y, elements of y, M, window. */
export const depthwise = (name: string, x: Stored, filter: Stored): Omit<Program, "name"> => ({
  takes: `pppii${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[filter]}* filter, float* y, int n, int M, ${window}) {${placeOut("C * M")}
  int c = k / M;
  float sum = 0;${eachElement("sum += get(x[(((long long)b * H + h) * W + w) * C + c]) * get(filter[((long long)r * S + s) * C * M + k]);")}
  y[i] = sum;
}`,
});

/** dy `[B, P, Q, C M]`, filter -> the gradient by x. Parameters dy, filter, dx, elements of dx, M, window. */
export const depthwiseInput = (name: string, dy: Stored, filter: Stored): Omit<Program, "name"> => ({
  takes: `pppii${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[dy]}* dy, const ${cType[filter]}* filter, float* dx, int n, int M, ${window}) {${place}
  float sum = 0;${eachWindow("for (int m = 0; m < M; m++) sum += get(dy[(((long long)b * P + p) * Q + q) * C * M + c * M + m]) * get(filter[((long long)r * S + s) * C * M + c * M + m]);")}
  dx[i] = sum;
}`,
});

/** x, dy -> the gradient by the filter, 32 of `C M` and 8 places a block. Grid y is R S. Parameters x, dy, df, B, M, window. */
export const depthwiseFilter = (name: string, x: Stored, dy: Stored): Omit<Program, "name"> => ({
  takes: `pppii${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[dy]}* dy, float* df, int B, int M, ${window}) {
  __shared__ float results[8][33];
  int lane = threadIdx.x & 31, line = threadIdx.x >> 5, k = blockIdx.x * 32 + lane, r = blockIdx.y / S, s = blockIdx.y % S;
  float sum = 0;
  if (k < C * M)
    for (int at = line; at < B * P * Q; at += 8) {
      int q = at % Q, p = at / Q % P, b = at / Q / P, h = p * sh - top + r * dh, w = q * sw - left + s * dw;
      if ((u32)h < (u32)H && (u32)w < (u32)W) sum += get(x[(((long long)b * H + h) * W + w) * C + k / M]) * get(dy[(long long)at * C * M + k]);
    }
  results[line][lane] = sum;
  __syncthreads();
  if (line || k >= C * M) return;
  for (int j = 1; j < 8; j++) sum += results[j][lane];
  df[(long long)blockIdx.y * C * M + k] = sum;
}`,
});

/** Largest or mean element of each window, of those inside. Parameters x, y, elements of y, window. */
export const pool = (name: string, stored: Stored, kind: "max" | "avg"): Omit<Program, "name"> => ({
  takes: `ppi${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, ${cType[stored]}* y, int n, ${window}) {${placeOut("C")}
  float best = ${kind === "max" ? "-INFF" : "0"};
  int count = 0;${eachElement(`float v = get(x[(((long long)b * H + h) * W + w) * C + k]); count++; ${kind === "max" ? "if (v > best) best = v;" : "best += v;"}`)}
  put(y[i], ${kind === "max" ? "best" : "best / count"});
}`,
});

/** The gradient of the mean, every window's shared by all its R S elements. Parameters dy, dx, elements of dx, window. */
export const averageGrad = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: `ppi${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* dy, ${cType[stored]}* dx, int n, ${window}) {${place}
  float sum = 0;${eachWindow("sum += get(dy[(((long long)b * P + p) * Q + q) * C + c]);")}
  put(dx[i], sum / (R * S));
}`,
});

/** The gradient of the largest, which goes to the first of equals. Parameters x, dy, dx, elements of dx, window. */
export const largestGrad = (name: string, x: Stored, dy: Stored): Omit<Program, "name"> => ({
  takes: `pppi${windowTakes}`,
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[dy]}* dy, ${cType[dy]}* dx, int n, ${window}) {${place}
  float sum = 0, own = get(x[i]);${eachWindow(`
      int first = 1;
      for (int a = 0; a < R && first; a++) {
        int y0 = p * sh - top + a * dh;
        if ((u32)y0 >= (u32)H) continue;
        for (int e = 0; e < S; e++) {
          int x0 = q * sw - left + e * dw;
          if ((u32)x0 >= (u32)W || (a == r && e == s)) continue;
          float v = get(x[(((long long)b * H + y0) * W + x0) * C + c]);
          if (v > own || (v == own && a * S + e < r * S + s)) { first = 0; break; }
        }
      }
      if (first) sum += get(dy[(((long long)b * P + p) * Q + q) * C + c]);`)}
  put(dx[i], sum);
}`,
});

/**
 * The same where windows lie side by side and cover the input: a thread reads and writes a window of so many channels. Parameters x, dy, dx,
 * number of threads, window.
 */
export const largestGradApart = (name: string, x: Stored, dy: Stored, wide: 1 | 4): Omit<Program, "name"> => ({
  takes: `pppi${windowTakes}`,
  source: `
struct alignas(${wide} * sizeof(${cType[x]})) In { ${cType[x]} v[${wide}]; };
struct alignas(${wide} * sizeof(${cType[dy]})) Out { ${cType[dy]} v[${wide}]; };
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[dy]}* dy, ${cType[dy]}* dx, int n, ${window}) {${placeOut(`C / ${wide}`)}
  long long first = (((long long)b * H + p * R) * W + q * S) * C + k * ${wide};
  float best[${wide}];
  int where[${wide}] = {};
  for (int r = 0; r < R; r++)
    for (int s = 0; s < S; s++) {
      In v = *(const In*)(x + first + ((long long)r * W + s) * C);
      for (int j = 0; j < ${wide}; j++)
        if ((!r && !s) || get(v.v[j]) > best[j]) { best[j] = get(v.v[j]); where[j] = r * S + s; }
    }
  Out g = *(const Out*)(dy + (long long)i * ${wide});
  for (int r = 0; r < R; r++)
    for (int s = 0; s < S; s++) {
      Out o;
      for (int j = 0; j < ${wide}; j++) put(o.v[j], where[j] == r * S + s ? get(g.v[j]) : 0.f);
      *(Out*)(dx + first + ((long long)r * W + s) * C) = o;
    }
}`,
});
