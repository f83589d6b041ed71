// Source of causal attention on tensor cores (Dao 2023, "FlashAttention-2", sections 3.1 and 3.3): a block a tile of queries, a warp 16 or
// 32 of its rows, which no other warp shares, so that scores and probabilities never leave registers. Keys come while values are
// multiplied, values while keys are. Names are those of flash-tiles.ts; the gradients are in flash-grad.ts.
import type { Program } from "../driver/gpu.ts";
import { rowsOf, strideOf, type Tiling, tileSource } from "./flash-tiles.ts";
import type { Half } from "./mma.ts";

/** Takes one tile of scores into the running maxima, sums and results (FlashAttention-2, section 3.1.1: results are divided once, at the end). */
const softmax = `
INLINE void absorb(Sums& s, Wide& o, float (&top)[M][2], float (&sum)[M][2], float scale) {
  EACH(m, M) EACH(half, 2) {
    float best = top[m][half];
    EACH(n, STEP / 8) best = fmaxf(best, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
    best = fmaxf(best, __shfl_xor_sync(~0u, best, 1));
    best = fmaxf(best, __shfl_xor_sync(~0u, best, 2));
    float shrink = power2((top[m][half] - best) * scale), low = best * scale, part = 0;
    top[m][half] = best;
    EACH(n, STEP / 8) for (int e = 2 * half; e < 2 * half + 2; e++) part += s[m][n][e] = power2(s[m][n][e] * scale - low);
    sum[m][half] = sum[m][half] * shrink + part;
    EACH(n, D / 8) { o[m][n][2 * half] *= shrink; o[m][n][2 * half + 1] *= shrink; }
  }
}`;

/** Bytes of the forward kernel's pool: queries, a tile of keys and one of values. */
const bytes = (K: number, tiling: Tiling): number => 2 * strideOf(K) * (rowsOf(tiling) + 2 * tiling.step);

/**
 * q, k, v -> y, lse. Parameters q, k, v, y, lse, T, H, row, scale, which is above 0. Grid x is B H, grid y is tiles of
 * queries: the longest walks of all heads begin first, and the shortest fill the end. The first tile has a key for each row, so that no
 * maximum stays at minus infinity.
 */
export const flash = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "pppppiiif",
  shared: bytes(K, tiling),
  source: `#define POOL ${bytes(K, tiling)}
${tileSource(K, type, tiling)}${softmax}
extern "C" __global__ void __launch_bounds__(THREADS, 2) ${name}(const u16* q, const u16* k, const u16* v, u16* y, float* lse, int T, int H, int row, float scale) {
  PLACES
  int first = (tileCount - 1 - tile) * ROWS, row0 = first + mine, last = min(first + ROWS, T);
  Place queries = placeOf(pool), keys = queries + BYTES(ROWS), values = keys + BYTES(STEP);
  Place own = queries + BYTES(mine) + along;
  float top[M][2], sum[M][2] = {};
  Wide o = {};
  EACH(m, M) top[m][0] = top[m][1] = -INFF;
  loadRows<ROWS>(queries, q + base, first, T, row);
  loadRows<STEP>(keys, k + base, 0, T, row);
  for (int at = 0; at < last; at += STEP) {
    bool busy = at < row0 + 16 * M;
    Sums s;
    awaitCopies();
    __syncthreads(); // keys are here, and all are done with values
    loadRows<STEP>(values, v + base, at, T, row);
    if (busy) dots(s, own, keys + across);
    awaitCopies();
    __syncthreads(); // values are here, and all are done with keys
    if (at + STEP < last) loadRows<STEP>(keys, k + base, at + STEP, T, row);
    if (!busy) continue;
    if (at + STEP - 1 > row0) hide<false>(s, row0, at);
    absorb(s, o, top, sum, scale * LOG2E);
    mix(o, s, values + along);
  }
  EACH(m, M) EACH(half, 2) {
    float all = sum[m][half];
    all += __shfl_xor_sync(~0u, all, 1);
    all += __shfl_xor_sync(~0u, all, 2);
    int t = row0 + m * 16 + half * 8 + lane / 4;
    if (lane % 4 == 0 && t < T) lse[line + t] = top[m][half] * scale + __logf(all);
    sum[m][half] = 1 / all;
  }
  storeRows(y + mixed, o, sum, row0, T, H * K);
}`,
});
