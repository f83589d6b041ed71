// Sources of cross-entropy of a softmax against target indices, and its gradient: a block a row, nothing of the row's size kept.
// N rows, V vocabulary
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** Elements that a thread reads in one go: 16 bytes where every row begins at a multiple of them. */
export type Wide = 1 | 4 | 8;

/**
 * logits `[N, V]`, target `[N]` -> each row's loss and log-sum-exp, float32 `[N]`. One pass: the sum so far is scaled where a larger logit
 * comes (Milakov and Gimelshein: Online normalizer calculation for softmax, 2018). Parameters logits, target, loss, lse, V. Grid x is N.
 */
export const crossEntropy = (name: string, stored: Stored, wide: Wide): Omit<Program, "name"> => ({
  takes: "ppppi",
  source: `
#define WIDE ${wide}
struct alignas(WIDE * sizeof(${cType[stored]})) Piece { ${cType[stored]} v[WIDE]; };
INLINE void take(const Piece& x, float& m, float& s) {
  float top = get(x.v[0]);
  for (int j = 1; j < WIDE; j++) top = fmaxf(top, get(x.v[j]));
  if (top > m) { s *= __expf(m - top); m = top; }
  for (int j = 0; j < WIDE; j++) s += __expf(get(x.v[j]) - m);
}
extern "C" __global__ void __launch_bounds__(1024) ${name}(const ${cType[stored]}* logits, const int* target, float* loss, float* lse, int V) {
  const ${cType[stored]}* row = logits + (long long)blockIdx.x * V;
  float m = -INFF, s = 0;
  int i = threadIdx.x * WIDE, step = blockDim.x * WIDE;
  for (; i + step < V; i += 2 * step) {
    Piece a = *(const Piece*)(row + i), b = *(const Piece*)(row + i + step);
    take(a, m, s);
    take(b, m, s);
  }
  if (i < V) take(*(const Piece*)(row + i), m, s);
  float top = blockMax(m);
  s = blockSum(m == -INFF ? 0.f : s * __expf(m - top));
  if (threadIdx.x) return;
  float all = top + __logf(s);
  lse[blockIdx.x] = all;
  loss[blockIdx.x] = all - get(row[target[blockIdx.x]]);
}`,
});

/** `dy (softmax - one-hot)` of each row. Parameters logits, target, lse, dy, result, V. Grid x is N. */
export const crossEntropyGrad = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppppi",
  source: `
extern "C" __global__ void __launch_bounds__(1024) ${name}(const ${cType[stored]}* logits, const int* target, const float* lse, const float* dy, ${cType[stored]}* y, int V) {
  long long base = (long long)blockIdx.x * V;
  int wide = V % 4 == 0 ? V : 0, t = target[blockIdx.x];
  float all = lse[blockIdx.x], factor = *dy;
  for (int i = threadIdx.x * 4; i < wide; i += blockDim.x * 4) {
    Four<${cType[stored]}> x = *(const Four<${cType[stored]}>*)(logits + base + i);
    for (int j = 0; j < 4; j++) put(x.v[j], factor * (__expf(get(x.v[j]) - all) - (i + j == t ? 1.f : 0.f)));
    *(Four<${cType[stored]}>*)(y + base + i) = x;
  }
  for (int i = wide + threadIdx.x; i < V; i += blockDim.x)
    put(y[base + i], factor * (__expf(get(logits[base + i]) - all) - (i == t ? 1.f : 0.f)));
}`,
});
