// Sources of the gradients of causal attention on tensor cores (Dao 2023, "FlashAttention-2", section 3.2), in a fixed order and without
// atomics: one kernel a tile of queries for dq, one a tile of keys for dk and dv, which works on transposed scores, so that what it
// multiplies next is in registers there, too. Probabilities come again from each row's log-sum-exp.
// Names are those of flash.ts.
import type { Program } from "../driver/gpu.ts";
import { flashCommon, rowsOf, strideOf, type Tiling } from "./flash.ts";
import type { Half } from "./mma.ts";

/** Bytes of a pool: two operands of a block's own, two tiles each of two others, and two numbers of each row. */
const bytes = (K: number, tiling: Tiling): number =>
  2 * strideOf(K) * (2 * rowsOf(tiling) + 4 * tiling.step) + 8 * Math.max(rowsOf(tiling), 2 * tiling.step);

/** The sum of dy y of each of a block's rows: a thread a row, 16 bytes at a time. */
const rowDots = `
struct Eight { u16 v[8]; };
INLINE void rowDots(float* delta, const u16* slopes, const u16* y, int first, int T, int row) {
  for (int r = threadIdx.x; r < ROWS; r += THREADS) {
    float sum = 0;
    if (first + r < T) for (int c = 0; c < K; c += 8) {
      alignas(16) Eight a, b;
      *(uint4*)&a = *(const uint4*)(slopes + r * STRIDE + c);
      *(uint4*)&b = *(const uint4*)(y + (long long)(first + r) * row + c);
      EACH(e, 8) sum += wide(a.v[e]) * wide(b.v[e]);
    }
    delta[r] = sum;
  }
}`;

/** Gradient by queries, and delta for the other kernel. Parameters dy, q, k, v, y, lse, delta, dq, T, H, row, scale. Grid as `flash`. */
export const flashQueries = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "ppppppppiiif",
  shared: bytes(K, tiling),
  source: `#define POOL ${bytes(K, tiling)}
${flashCommon(K, type, tiling)}${rowDots}
extern "C" __global__ void __launch_bounds__(THREADS, ${tiling.blocks}) ${name}(const u16* dy, const u16* q, const u16* k, const u16* v, const u16* y, const float* lse, float* delta, u16* dq, int T, int H, int row, float scale) {
  PLACES
  int first = (gridDim.x - 1 - blockIdx.x) * ROWS, row0 = first + mine, last = min(first + ROWS, T);
  Place queries = placeOf(pool), slopes = queries + ROWS * STRIDE * 2, tiles = slopes + ROWS * STRIDE * 2;
  float* sums = (float*)(pool + (2 * ROWS + 4 * STEP) * STRIDE);
  Own ownQueries = {queries + mine * STRIDE * 2 + along}, ownSlopes = {slopes + mine * STRIDE * 2 + along};
  float to2 = scale * 1.44269504f, low[M][2], shift[M][2], factor[M][2];
  Wide o = {};
  loadRows<ROWS>(queries, q + base, first, T, row);
  loadRows<ROWS>(slopes, dy + mixed, first, T, H * K);
  loadRows<STEP>(tiles, k + base, 0, T, row);
  loadRows<STEP>(tiles + STEP * STRIDE * 2, v + base, 0, T, row);
  awaitCopies();
  __syncthreads();
  rowDots(sums, pool + ROWS * STRIDE, y + mixed, first, T, H * K);
  __syncthreads();
  for (int r = threadIdx.x; r < ROWS && first + r < T; r += THREADS) delta[line + first + r] = sums[r];
  ownQueries.read();
  ownSlopes.read();
  EACH(m, M) EACH(half, 2) {
    int r = mine + m * 16 + half * 8 + lane / 4;
    low[m][half] = first + r < T ? lse[line + first + r] * 1.44269504f : 0;
    shift[m][half] = sums[r];
    factor[m][half] = scale;
  }
  for (int at = 0, stage = 0; at < last; at += STEP, stage ^= 1) {
    Place keys = tiles + stage * 2 * STEP * STRIDE * 2, values = keys + STEP * STRIDE * 2, next = tiles + (stage ^ 1) * 2 * STEP * STRIDE * 2;
    awaitCopies();
    __syncthreads(); // this tile is here, and all are done with the one that the next is written over
    if (at + STEP < last) {
      loadRows<STEP>(next, k + base, at + STEP, T, row);
      loadRows<STEP>(next + STEP * STRIDE * 2, v + base, at + STEP, T, row);
    }
    if (at > row0 + 16 * M - 1) continue; // nothing for this warp
    Sums s, g;
    dots(s, ownQueries, keys + across);
    dots(g, ownSlopes, values + across);
    bool edge = at + STEP - 1 > row0;
    EACH(m, M) EACH(n, STEP / 8) EACH(e, 4) {
      float p = power2(s[m][n][e] * to2 - low[m][e / 2]);
      if (edge && at + n * 8 + lane % 4 * 2 + e % 2 > row0 + m * 16 + e / 2 * 8 + lane / 4) p = 0;
      s[m][n][e] = p * (g[m][n][e] - shift[m][e / 2]);
    }
    mix(o, s, keys + along);
  }
  storeRows(dq + base, o, factor, row0, T, row);
}`,
});

/**
 * Gradients by keys and values. Parameters dy, q, k, v, lse, delta, dk, dv, T, H, row, scale. Grid x is tiles of keys. Rows behind the last
 * are zeros in each operand and in lse and delta: they add nothing.
 */
export const flashKeys = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "ppppppppiiif",
  shared: bytes(K, tiling),
  source: `#define POOL ${bytes(K, tiling)}
${flashCommon(K, type, tiling)}
// The next tile of queries and of the gradient, with two numbers of each row.
#define TILE(to, pair, from) \\
  loadRows<STEP>(to, q + base, from, T, row); \\
  loadRows<STEP>((to) + STEP * STRIDE * 2, dy + mixed, from, T, H * K); \\
  for (int r = threadIdx.x; r < STEP; r += THREADS) { \\
    bool there = (from) + r < T; \\
    copy4(placeOf((pair) + r), lse + line + (there ? (from) + r : 0), there); \\
    copy4(placeOf((pair) + STEP + r), delta + line + (there ? (from) + r : 0), there); \\
  }
extern "C" __global__ void __launch_bounds__(THREADS, ${tiling.blocks}) ${name}(const u16* dy, const u16* q, const u16* k, const u16* v, const float* lse, const float* delta, u16* dk, u16* dv, int T, int H, int row, float scale) {
  PLACES
  int first = blockIdx.x * ROWS, row0 = first + mine;
  Place keys = placeOf(pool), values = keys + ROWS * STRIDE * 2, tiles = values + ROWS * STRIDE * 2;
  float* pairs = (float*)(pool + (2 * ROWS + 4 * STEP) * STRIDE);
  Own ownKeys = {keys + mine * STRIDE * 2 + along}, ownValues = {values + mine * STRIDE * 2 + along};
  float to2 = scale * 1.44269504f, factor[M][2], one[M][2];
  EACH(m, M) { factor[m][0] = factor[m][1] = scale; one[m][0] = one[m][1] = 1; }
  Wide ok = {}, ov = {};
  loadRows<ROWS>(keys, k + base, first, T, row);
  loadRows<ROWS>(values, v + base, first, T, row);
  TILE(tiles, pairs, first)
  for (int at = first, stage = 0; at < T; at += STEP, stage ^= 1) {
    Place queries = tiles + stage * 2 * STEP * STRIDE * 2, slopes = queries + STEP * STRIDE * 2, next = tiles + (stage ^ 1) * 2 * STEP * STRIDE * 2;
    float* pair = pairs + stage * 2 * STEP;
    awaitCopies();
    __syncthreads(); // this tile is here, and all are done with the one that the next is written over
    if (at == first) { ownKeys.read(); ownValues.read(); }
    if (at + STEP < T) { TILE(next, pairs + (stage ^ 1) * 2 * STEP, at + STEP) }
    if (at + STEP - 1 < row0) continue; // nothing for this warp
    Sums s, g;
    dots(s, ownKeys, queries + across);
    bool edge = at < row0 + 16 * M - 1;
    EACH(n, STEP / 8) {
      float2 low = *(const float2*)(pair + n * 8 + lane % 4 * 2);
      EACH(m, M) EACH(e, 4) {
        s[m][n][e] = power2(s[m][n][e] * to2 - (e % 2 ? low.y : low.x) * 1.44269504f);
        if (edge && at + n * 8 + lane % 4 * 2 + e % 2 < row0 + m * 16 + e / 2 * 8 + lane / 4) s[m][n][e] = 0;
      }
    }
    dots(g, ownValues, slopes + across);
    mix(ov, s, slopes + along);
    EACH(n, STEP / 8) {
      float2 shift = *(const float2*)(pair + STEP + n * 8 + lane % 4 * 2);
      EACH(m, M) EACH(e, 4) s[m][n][e] *= g[m][n][e] - (e % 2 ? shift.y : shift.x);
    }
    mix(ok, s, queries + along);
  }
  storeRows(dk + base, ok, factor, row0, T, row);
  storeRows(dv + base, ov, one, row0, T, row);
}`,
});
