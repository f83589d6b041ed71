// What the sources of attention on tensor cores have in common: sizes, how tiles are copied, multiplied, masked and stored.
// K width of a head, D the same up to a multiple of 16; elements are of two bytes, sums float32. Rows of q, k and v are `row` elements
// apart, those of y H K; K and row are multiples of 8, so that 16 bytes move at once.
import { type Half, primitives } from "./mma.ts";

/** How a kernel is cut. */
export interface Tiling {
  /** Times 16 rows that a warp has. */
  readonly m: number;
  /** Rows of the tiles that a block walks over: a multiple of 16. */
  readonly step: number;
}

/** Warps of a block. */
const WARPS = 4;

/** Threads of a block. */
export const THREADS = 32 * WARPS;

/** Rows of a block's own. */
export const rowsOf = ({ m }: Tiling): number => 16 * m * WARPS;

/** Elements from row to row in shared memory: an odd number of 16 bytes, so that 8 rows lie in 8 different groups of banks. */
export const strideOf = (K: number): number => Math.ceil(K / 16) * 16 + 8;

/**
 * Copies, and the two products that all kernels here are made of. Two fragments of sums side by side are the first operand of the next
 * product as they are (Dao 2023, "FlashAttention-2", section 3.3: no exchange between warps).
 */
const operations = `
// Asks for COUNT rows of a head from \`first\` on: zeros behind the last and beside the widest. A thread's rows are a fixed number apart,
// so that one address serves them all.
template <int COUNT> INLINE void loadRows(Place to, const u16* from, int first, int T, int row) {
  int r = threadIdx.x / ACROSS, c = threadIdx.x % ACROSS * 8;
  from += (long long)(first + r) * row + c;
  if (c < D) EACH(i, (COUNT + TOGETHER - 1) / TOGETHER) {
    if (COUNT % TOGETHER == 0 || r + i * TOGETHER < COUNT)
      copy16(to + BYTES(r + i * TOGETHER) + c * 2, from, first + r + i * TOGETHER < T && c < K);
    from += TOGETHER * row;
  }
}
// s[own row][j] = own row . row j of a tile
INLINE void dots(Sums& s, Place own, Place tile) {
  EACH(m, M) EACH(n, STEP / 8) EACH(e, 4) s[m][n][e] = 0;
  EACH(k, D / 16) {
    u32 a[M][4];
    EACH(m, M) load4(a[m], own + BYTES(m * 16) + k * 32);
    EACH(n, STEP / 16) {
      u32 b[4];
      load4(b, tile + BYTES(n * 16) + k * 32);
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
      load4Turned(b, tile + BYTES(k * 16) + n * 32);
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
// Takes away scores of keys behind their query: rows are queries, or keys where scores are turned.
template <bool TURNED> INLINE void hide(Sums& s, int row0, int at) {
  int lane = threadIdx.x & 31, apart = at + lane % 4 * 2 - row0 - lane / 4;
  EACH(m, M) EACH(n, STEP / 8) EACH(e, 4) {
    int ahead = apart + n * 8 + e % 2 - m * 16 - e / 2 * 8;
    if (TURNED ? ahead < 0 : ahead > 0) s[m][n][e] = -INFF;
  }
}
// This lane, its warp's first row of the block's, where a lane points for own rows and turned tiles, and where for tiles; the first
// element of the block's head, that of y, and the head's first number of those of which each row has one.
#define PLACES \\
  int lane = threadIdx.x & 31, mine = threadIdx.x / 32 * 16 * M, tile = blockIdx.y, tileCount = gridDim.y; \\
  int along = BYTES(lane & 15) + lane / 16 * 16, across = BYTES(lane % 8 + lane / 16 * 8) + lane / 8 % 2 * 16; \\
  long long batch = blockIdx.x / H, head = blockIdx.x % H; \\
  long long base = batch * T * row + head * K, mixed = (batch * T * H + head) * K, line = (long long)blockIdx.x * T, lines = (long long)gridDim.x * T;`;

/** Names of sizes, and what is computed with them. */
export const tileSource = (K: number, type: Half, tiling: Tiling): string => `${primitives(type)}
#define K ${K}
#define D ${Math.ceil(K / 16) * 16}
#define STRIDE ${strideOf(K)}
#define M ${tiling.m}
#define THREADS ${THREADS}
#define ROWS ${rowsOf(tiling)}
#define STEP ${tiling.step}
#define ACROSS ${[2, 4, 8, 16].find((wide) => wide * 8 >= K)} // threads that copy a row
#define TOGETHER (THREADS / ACROSS)
#define LOG2E 1.44269504f
#define BYTES(rows) ((rows) * STRIDE * 2)
typedef float Sums[M][STEP / 8][4];
typedef float Wide[M][D / 8][4];${operations}`;
