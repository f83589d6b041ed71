// Sources of the gradients of causal attention on tensor cores (Dao 2023, "FlashAttention-2", section 3.2), in a fixed order and without
// atomics: one kernel a tile of queries for dq, one a tile of keys for dk and dv, which works on transposed scores, so that what it
// multiplies next is in registers there, too. Probabilities come again from each row's log-sum-exp.
// Names are those of flash-tiles.ts.
import type { Program } from "../driver/gpu.ts";
import { rowsOf, strideOf, type Tiling, tileSource } from "./flash-tiles.ts";
import type { Half } from "./mma.ts";

/**
 * Bytes of a pool: two operands of a block's own, two tiles of what is needed from a step's begin to its end, one of what is not, and two
 * numbers of each row.
 */
const bytes = (K: number, tiling: Tiling): number =>
  2 * strideOf(K) * (2 * rowsOf(tiling) + 3 * tiling.step) + 8 * Math.max(rowsOf(tiling), 2 * tiling.step);

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

/**
 * Gradient by queries, and for the other kernel two numbers of each row: lse in powers of 2, and delta. Parameters dy, q, k, v, y, lse,
 * rows [2, B H, T], dq, T, H, row, scale. Grid as `flash`.
 */
export const flashQueries = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "ppppppppiiif",
  shared: bytes(K, tiling),
  source: `#define POOL ${bytes(K, tiling)}
${tileSource(K, type, tiling)}${rowDots}
extern "C" __global__ void __launch_bounds__(THREADS, 2) ${name}(const u16* dy, const u16* q, const u16* k, const u16* v, const u16* y, const float* lse, float* rows, u16* dq, int T, int H, int row, float scale) {
  PLACES
  int first = (tileCount - 1 - tile) * ROWS, row0 = first + mine, last = min(first + ROWS, T);
  Place queries = placeOf(pool), slopes = queries + BYTES(ROWS), values = slopes + BYTES(ROWS), keys = values + BYTES(STEP);
  float* delta = (float*)(pool + (2 * ROWS + 3 * STEP) * STRIDE);
  Place ownQueries = queries + BYTES(mine) + along, ownSlopes = slopes + BYTES(mine) + along;
  float low[M][2], shift[M][2], factor[M][2];
  Wide o = {};
  loadRows<ROWS>(queries, q + base, first, T, row);
  loadRows<ROWS>(slopes, dy + mixed, first, T, H * K);
  loadRows<STEP>(keys, k + base, 0, T, row);
  loadRows<STEP>(values, v + base, 0, T, row);
  awaitCopies();
  __syncthreads();
  rowDots(delta, pool + ROWS * STRIDE, y + mixed, first, T, H * K);
  __syncthreads();
  EACH(m, M) EACH(half, 2) {
    int r = mine + m * 16 + half * 8 + lane / 4, t = first + r;
    low[m][half] = t < T ? lse[line + t] * LOG2E : 0;
    shift[m][half] = delta[r];
    factor[m][half] = scale;
    if (lane % 4 == 0 && t < T) { rows[line + t] = low[m][half]; rows[lines + line + t] = shift[m][half]; }
  }
  for (int at = 0, stage = 0; at < last; at += STEP, stage ^= 1) {
    bool busy = at < row0 + 16 * M;
    Place key = keys + stage * BYTES(STEP);
    Sums s, g;
    awaitCopies();
    __syncthreads(); // keys and values are here, and all are done with the keys that the next are written over
    if (at + STEP < last) loadRows<STEP>(keys + (stage ^ 1) * BYTES(STEP), k + base, at + STEP, T, row);
    if (busy) { dots(s, ownQueries, key + across); dots(g, ownSlopes, values + across); }
    __syncthreads(); // all are done with values
    if (at + STEP < last) loadRows<STEP>(values, v + base, at + STEP, T, row);
    if (!busy) continue;
    if (at + STEP - 1 > row0) hide<false>(s, row0, at);
    EACH(m, M) EACH(n, STEP / 8) EACH(e, 4) s[m][n][e] = power2(s[m][n][e] * (scale * LOG2E) - low[m][e / 2]) * (g[m][n][e] - shift[m][e / 2]);
    mix(o, s, key + along);
  }
  storeRows(dq + base, o, factor, row0, T, row);
}`,
});

/** What each query has two numbers for, where queries are columns: zeros behind the last, probabilities, the gradient of scores. */
const byColumns = `
INLINE void loadNumbers(float* to, const float* rows, long long lines, int first, int T) {
  for (int i = threadIdx.x; i < 2 * STEP; i += THREADS) {
    int t = first + i % STEP;
    copy4(placeOf(to + i), rows + i / STEP * lines + min(t, T - 1), t < T);
  }
}
INLINE void probabilities(Sums& s, const float* low, float scale) {
  EACH(n, STEP / 8) {
    float2 two = *(const float2*)(low + n * 8);
    EACH(m, M) EACH(e, 4) s[m][n][e] = power2(s[m][n][e] * scale - (e % 2 ? two.y : two.x));
  }
}
INLINE void gradients(Sums& s, const Sums& g, const float* delta) {
  EACH(n, STEP / 8) {
    float2 two = *(const float2*)(delta + n * 8);
    EACH(m, M) EACH(e, 4) s[m][n][e] *= g[m][n][e] - (e % 2 ? two.y : two.x);
  }
}`;

/**
 * Gradients by keys and values, from transposed scores. Parameters dy, q, k, v, rows as `flashQueries` wrote it, dk, dv, T, H, row, scale.
 * Grid x is B H, grid y tiles of keys. Queries behind the last are zeros, and their numbers are: they add nothing.
 */
export const flashKeys = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "pppppppiiif",
  shared: bytes(K, tiling),
  source: `#define POOL ${bytes(K, tiling)}
${tileSource(K, type, tiling)}${byColumns}
extern "C" __global__ void __launch_bounds__(THREADS, 2) ${name}(const u16* dy, const u16* q, const u16* k, const u16* v, const float* rows, u16* dk, u16* dv, int T, int H, int row, float scale) {
  PLACES
  int first = tile * ROWS, row0 = first + mine;
  Place keys = placeOf(pool), values = keys + BYTES(ROWS), slopes = values + BYTES(ROWS), queries = slopes + BYTES(STEP);
  float* numbers = (float*)(pool + (2 * ROWS + 3 * STEP) * STRIDE);
  Place ownKeys = keys + BYTES(mine) + along, ownValues = values + BYTES(mine) + along;
  float factor[M][2], one[M][2];
  EACH(m, M) EACH(half, 2) { factor[m][half] = scale; one[m][half] = 1; }
  Wide ok = {}, ov = {};
  loadRows<ROWS>(keys, k + base, first, T, row);
  loadRows<ROWS>(values, v + base, first, T, row);
  loadRows<STEP>(queries, q + base, first, T, row);
  loadRows<STEP>(slopes, dy + mixed, first, T, H * K);
  loadNumbers(numbers, rows + line, lines, first, T);
  for (int at = first, stage = 0; at < T; at += STEP, stage ^= 1) {
    bool busy = at + STEP > row0;
    Place query = queries + stage * BYTES(STEP);
    const float* low = numbers + stage * 2 * STEP + lane % 4 * 2;
    Sums s, g;
    awaitCopies();
    __syncthreads(); // this tile is here, and all are done with the queries that the next are written over
    if (at + STEP < T) {
      loadRows<STEP>(queries + (stage ^ 1) * BYTES(STEP), q + base, at + STEP, T, row);
      loadNumbers(numbers + (stage ^ 1) * 2 * STEP, rows + line, lines, at + STEP, T);
    }
    if (busy) {
      dots(s, ownKeys, query + across);
      if (at < row0 + 16 * M - 1) hide<true>(s, row0, at);
      probabilities(s, low, scale * LOG2E);
      dots(g, ownValues, slopes + across);
      mix(ov, s, slopes + along);
    }
    __syncthreads(); // all are done with the gradient
    if (at + STEP < T) loadRows<STEP>(slopes, dy + mixed, at + STEP, T, H * K);
    if (!busy) continue;
    gradients(s, g, low + STEP);
    mix(ok, s, query + along);
  }
  storeRows(dk + base, ok, factor, row0, T, row);
  storeRows(dv + base, ov, one, row0, T, row);
}`,
});
