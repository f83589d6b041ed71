// Sources of causal attention on tensor cores (Dao 2023, "FlashAttention-2", sections 3.1 and 3.3): a block a tile of queries, a warp
// 16 or 32 of its rows, which no other warp shares, so that scores and probabilities never leave registers. Keys and values of the next
// tile come while this one's are multiplied. The gradients are in flash-grad.ts.
// K width of a head, D the same up to a multiple of 16; elements are of two bytes, sums float32. Rows of q, k and v are `row` elements
// apart, those of y H K; K and row are multiples of 8, so that 16 bytes move at once.
import type { Program } from "../driver/gpu.ts";
import { type Half, primitives } from "./mma.ts";

/** How a kernel is cut. */
export interface Tiling {
  /** Times 16 rows that a warp has. */
  readonly m: number;
  readonly warps: number;
  /** Rows of the tiles that a block walks over: a multiple of 16 that divides a block's own rows. */
  readonly step: number;
  /** Whether a warp's own operand stays in registers; else it is read from shared memory at each step. */
  readonly held: boolean;
  /** Blocks that a multiprocessor should hold: what registers are given out by. */
  readonly blocks: number;
}

/** Rows of a block's own. */
export const rowsOf = ({ m, warps }: Tiling): number => 16 * m * warps;

/** Elements from row to row in shared memory: an odd number of 16 bytes, so that 8 rows lie in 8 different groups of banks. */
export const strideOf = (K: number): number => Math.ceil(K / 16) * 16 + 8;

/**
 * Sizes, tiles, and the two products that all kernels here are made of. A fragment of sums, two side by side, is the first operand of the
 * next product as it is (FlashAttention-2, section 3.3: no exchange between warps).
 */
export const flashCommon = (K: number, type: Half, tiling: Tiling): string => `${primitives(type)}
#define K ${K}
#define D ${Math.ceil(K / 16) * 16}
#define STRIDE ${strideOf(K)}
#define M ${tiling.m}
#define THREADS ${32 * tiling.warps}
#define ROWS ${rowsOf(tiling)}
#define STEP ${tiling.step}
#define HELD ${Number(tiling.held)}
typedef float Sums[M][STEP / 8][4];
typedef float Wide[M][D / 8][4];
// Asks for \`COUNT\` rows of a head from \`first\` on: zeros behind the last and beside the widest.
template <int COUNT> INLINE void loadRows(Place to, const u16* from, int first, int T, int row) {
  #pragma unroll
  for (int i = threadIdx.x; i < COUNT * (D / 8); i += THREADS) {
    int r = i / (D / 8), c = i % (D / 8);
    bool there = first + r < T && c * 8 < K;
    copy16(to + (r * STRIDE + c * 8) * 2, there ? from + (long long)(first + r) * row + c * 8 : from, there);
  }
}
// A warp's own M x 16 rows as first operands, 16 columns at a time.
struct Own {
  Place at;
#if HELD
  u32 x[D / 16][M][4];
  INLINE void read() {
    EACH(k, D / 16) EACH(m, M) load4(x[k][m], at + (m * 16 * STRIDE + k * 16) * 2);
  }
  INLINE void get(u32 (&a)[M][4], int k) const { EACH(m, M) EACH(e, 4) a[m][e] = x[k][m][e]; }
#else
  INLINE void read() {}
  INLINE void get(u32 (&a)[M][4], int k) const { EACH(m, M) load4(a[m], at + (m * 16 * STRIDE + k * 16) * 2); }
#endif
};
// s[own row][j] = own row . row j of a tile
INLINE void dots(Sums& s, const Own& own, Place tile) {
  EACH(m, M) EACH(n, STEP / 8) EACH(e, 4) s[m][n][e] = 0;
  EACH(k, D / 16) {
    u32 a[M][4];
    own.get(a, k);
    EACH(n, STEP / 16) {
      u32 b[4];
      load4(b, tile + (n * 16 * STRIDE + k * 16) * 2);
      EACH(m, M) { mma(s[m][2 * n], a[m], b[0], b[1]); mma(s[m][2 * n + 1], a[m], b[2], b[3]); }
    }
  }
}
// o[own row][column] += sum over j of s[own row][j] tile[j][column]
INLINE void mix(Wide& o, const Sums& s, Place tile) {
  EACH(k, STEP / 16) {
    u32 a[M][4];
    EACH(m, M) EACH(e, 4) a[m][e] = pack(s[m][2 * k + e / 2][e % 2 * 2], s[m][2 * k + e / 2][e % 2 * 2 + 1]);
    EACH(n, D / 16) {
      u32 b[4];
      load4Turned(b, tile + (k * 16 * STRIDE + n * 16) * 2);
      EACH(m, M) { mma(o[m][2 * n], a[m], b[0], b[1]); mma(o[m][2 * n + 1], a[m], b[2], b[3]); }
    }
  }
}
// Rows of sums, each times its factor, as elements.
INLINE void storeRows(u16* to, const Wide& o, const float (&factor)[M][2], int first, int T, int row) {
  int lane = threadIdx.x & 31;
  EACH(m, M) EACH(half, 2) {
    int t = first + m * 16 + half * 8 + lane / 4;
    if (t < T) {
      EACH(n, K / 8) *(u32*)(to + (long long)t * row + n * 8 + lane % 4 * 2) = pack(o[m][n][2 * half] * factor[m][half], o[m][n][2 * half + 1] * factor[m][half]);
    }
  }
}
// This lane, its warp's first row of the block's, where a lane points for own rows and turned tiles, and where for tiles; the first
// element of the block's head, and that of y.
#define PLACES \\
  int lane = threadIdx.x & 31, mine = threadIdx.x / 32 * 16 * M; \\
  int along = ((lane & 15) * STRIDE + lane / 16 * 8) * 2, across = ((lane % 8 + lane / 16 * 8) * STRIDE + lane / 8 % 2 * 8) * 2; \\
  long long head = blockIdx.y / H, nth = blockIdx.y % H, base = head * T * row + nth * K, mixed = (head * T * H + nth) * K, line = (long long)blockIdx.y * T;`;

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

/** Bytes of the forward kernel's pool: queries, and two tiles each of keys and values. */
const forwardBytes = (K: number, tiling: Tiling): number => 2 * strideOf(K) * (rowsOf(tiling) + 4 * tiling.step);

/**
 * q, k, v -> y, lse. Parameters q, k, v, y, lse, T, H, row, scale, which is above 0. Grid x is tiles of queries, grid y is B H. The first
 * tile has a key for each row, so that no maximum stays at minus infinity.
 */
export const flash = (name: string, K: number, type: Half, tiling: Tiling): Omit<Program, "name"> => ({
  takes: "pppppiiif",
  shared: forwardBytes(K, tiling),
  source: `#define POOL ${forwardBytes(K, tiling)}
${flashCommon(K, type, tiling)}${softmax}
extern "C" __global__ void __launch_bounds__(THREADS, ${tiling.blocks}) ${name}(const u16* q, const u16* k, const u16* v, u16* y, float* lse, int T, int H, int row, float scale) {
  PLACES
  int first = (gridDim.x - 1 - blockIdx.x) * ROWS, row0 = first + mine, last = min(first + ROWS, T);
  Place queries = placeOf(pool), tiles = queries + ROWS * STRIDE * 2;
  Own own = {queries + mine * STRIDE * 2 + along};
  float to2 = scale * 1.44269504f, top[M][2], sum[M][2] = {};
  Wide o = {};
  EACH(m, M) top[m][0] = top[m][1] = -INFF;
  loadRows<ROWS>(queries, q + base, first, T, row);
  loadRows<STEP>(tiles, k + base, 0, T, row);
  loadRows<STEP>(tiles + STEP * STRIDE * 2, v + base, 0, T, row);
  for (int at = 0, stage = 0; at < last; at += STEP, stage ^= 1) {
    Place keys = tiles + stage * 2 * STEP * STRIDE * 2, values = keys + STEP * STRIDE * 2, next = tiles + (stage ^ 1) * 2 * STEP * STRIDE * 2;
    awaitCopies();
    __syncthreads(); // this tile is here, and all are done with the one that the next is written over
    if (at == 0) own.read();
    if (at + STEP < last) {
      loadRows<STEP>(next, k + base, at + STEP, T, row);
      loadRows<STEP>(next + STEP * STRIDE * 2, v + base, at + STEP, T, row);
    }
    if (at > row0 + 16 * M - 1) continue; // nothing for this warp
    Sums s;
    dots(s, own, keys + across);
    if (at + STEP - 1 > row0) {
      EACH(m, M) EACH(n, STEP / 8) EACH(e, 4)
        if (at + n * 8 + lane % 4 * 2 + e % 2 > row0 + m * 16 + e / 2 * 8 + lane / 4) s[m][n][e] = -INFF;
    }
    absorb(s, o, top, sum, to2);
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
