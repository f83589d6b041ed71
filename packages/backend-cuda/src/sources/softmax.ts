// Sources of softmax along rows, its logarithm, and the causal one of attention with its gradient. A block a row.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";
import { type Hold, held } from "./rows.ts";

/** x `[N, D]` -> softmax or log-softmax of each row, which threads hold between them. Parameters x, y, N, D. */
export const softmaxHeld = (
  name: string,
  input: Stored,
  output: Stored,
  log: boolean,
  hold: Hold,
): Omit<Program, "name"> => ({
  takes: "ppii",
  source: `${held(hold)}
INLINE float rowMax(float x) { return ${hold.threads === 32 ? "warpMax(x)" : "blockMax(x)"}; }
extern "C" __global__ void __launch_bounds__(THREADS * ROWS) ${name}(const ${cType[input]}* x, ${cType[output]}* y, int N, int D) {
  int lane = threadIdx.x % THREADS, row = blockIdx.x * ROWS + threadIdx.x / THREADS;
  if (row >= N) return;
  long long base = (long long)row * D;
  float v[HELD], m = -INFF, s = 0;
  EACH { load(v + c * WIDE, x + base + i); for (int j = 0; j < WIDE; j++) m = fmaxf(m, v[c * WIDE + j]); }
  m = rowMax(m);
  EACH for (int j = 0; j < WIDE; j++) { ${log ? "s += expf(v[c * WIDE + j] - m)" : "v[c * WIDE + j] = expf(v[c * WIDE + j] - m); s += v[c * WIDE + j]"}; }
  s = rowSum(s);
  float k = ${log ? "logf(s) + m" : "1.f / s"};
  EACH { float o[WIDE]; for (int j = 0; j < WIDE; j++) o[j] = ${log ? "v[c * WIDE + j] - k" : "v[c * WIDE + j] * k"}; store(y + base + i, o); }
}`,
});

/** x `[N, R]` -> softmax or log-softmax of each row, wider than threads hold. Parameters x, y, R. Grid x is N. */
export const softmaxRows = (name: string, input: Stored, output: Stored, log: boolean): Omit<Program, "name"> => ({
  takes: "ppi",
  source: `
extern "C" __global__ void ${name}(const ${cType[input]}* x, ${cType[output]}* y, int R) {
  const ${cType[input]}* from = x + (long long)blockIdx.x * R;
  ${cType[output]}* to = y + (long long)blockIdx.x * R;
  float m = -INFF, s = 0;
  for (int i = threadIdx.x; i < R; i += blockDim.x) m = fmaxf(m, get(from[i]));
  m = blockMax(m);
  for (int i = threadIdx.x; i < R; i += blockDim.x) s += expf(get(from[i]) - m);
  s = blockSum(s);
  float k = ${log ? "logf(s)" : "1.f / s"};
  for (int i = threadIdx.x; i < R; i += blockDim.x) put(to[i], ${log ? "get(from[i]) - m - k" : "expf(get(from[i]) - m) * k"});
}`,
});

/** score `[P, T, T]` -> softmax(scale score) of each row up to the diagonal, 0 above it. Parameters x, y, T, scale. Grid x is P T. */
export const causalRows = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "ppif",
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, ${cType[stored]}* y, int T, float scale) {
  const ${cType[stored]}* from = x + (long long)blockIdx.x * T;
  ${cType[stored]}* to = y + (long long)blockIdx.x * T;
  int R = blockIdx.x % T + 1;
  float m = -INFF, s = 0;
  for (int i = threadIdx.x; i < R; i += blockDim.x) m = fmaxf(m, get(from[i]) * scale);
  m = blockMax(m);
  for (int i = threadIdx.x; i < R; i += blockDim.x) s += expf(get(from[i]) * scale - m);
  s = 1.f / blockSum(s);
  for (int i = threadIdx.x; i < T; i += blockDim.x) put(to[i], i < R ? expf(get(from[i]) * scale - m) * s : 0.f);
}`,
});

/** `scale p (dp - sum p dp)` of each row of p, dp `[P, T, T]`. Parameters p, dp, y, T, scale. Grid x is P T. */
export const causalRowsGrad = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppif",
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* p, const ${cType[stored]}* dp, ${cType[stored]}* y, int T, float scale) {
  long long base = (long long)blockIdx.x * T;
  int R = blockIdx.x % T + 1;
  float s = 0;
  for (int i = threadIdx.x; i < R; i += blockDim.x) s += get(p[base + i]) * get(dp[base + i]);
  s = blockSum(s);
  for (int i = threadIdx.x; i < T; i += blockDim.x)
    put(y[base + i], i < R ? scale * get(p[base + i]) * (get(dp[base + i]) - s) : 0.f);
}`,
});
