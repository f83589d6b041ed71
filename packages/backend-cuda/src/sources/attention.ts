// Sources of causal attention that never writes the T x T scores (Dao et al. 2022), in float32: forward, and the gradients by
// recomputation from each row's log-sum-exp. Every sum runs in a fixed order; nothing is added with atomics.
// B batch, T time, H heads, K width of a head (padded to D, a multiple of 16, with zeros), 256 threads as 16 x 16. Rows of q, k, v and
// their gradients are `row` elements apart, those of y and its gradient H K; rows of lse and delta are [B, H, T].
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** Rows of a tile, so that four tiles of a head's width fit in 48 KiB. */
export const tileFor = (K: number): number => (K <= 64 ? 32 : 16);

/** Widest head that these kernels take. */
export const WIDEST = 128;

/** What both kernels begin with: sizes, and how tiles are loaded and multiplied. */
const common = (K: number, stored: Stored): string => `
#define K ${K}
#define D ${Math.ceil(K / 16) * 16}
#define ROWS ${tileFor(K)}
#define R (ROWS / 16)
#define C (D / 16)
typedef ${cType[stored]} E;
typedef float Tile[ROWS][D + 4];
typedef float Square[ROWS][ROWS + 1];
INLINE void loadTile(Tile& to, const E* from, int first, int T, int row) {
  for (int i = threadIdx.x; i < ROWS * D; i += 256) {
    int r = i / D, d = i % D;
    to[r][d] = first + r < T && d < K ? get(from[(long long)(first + r) * row + d]) : 0.f;
  }
}
// s[i][j] = a[row i] . b[row j]
INLINE void dots(float (&s)[R][R], const Tile& a, const Tile& b, int ty, int tx) {
  for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) s[i][j] = 0;
  for (int d = 0; d < D; d += 4) {
    Four<float> x[R], y[R];
    for (int i = 0; i < R; i++) { x[i] = *(const Four<float>*)&a[ty * R + i][d]; y[i] = *(const Four<float>*)&b[tx + 16 * i][d]; }
    for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) for (int e = 0; e < 4; e++) s[i][j] += x[i].v[e] * y[j].v[e];
  }
}
// o[row i][column c] += sum over j of p[row i][j] x[j][column c]
INLINE void mix(float (&o)[R][C], const Square& p, const Tile& x, int ty, int tx) {
  for (int j = 0; j < ROWS; j++) for (int i = 0; i < R; i++) {
    float w = p[ty * R + i][j];
    for (int c = 0; c < C; c++) o[i][c] += w * x[j][tx + 16 * c];
  }
}
// the same with p transposed
INLINE void mixTransposed(float (&o)[R][C], const Square& p, const Tile& x, int ty, int tx) {
  for (int j = 0; j < ROWS; j++) for (int i = 0; i < R; i++) {
    float w = p[j][ty * R + i];
    for (int c = 0; c < C; c++) o[i][c] += w * x[j][tx + 16 * c];
  }
}
INLINE void storeTile(E* to, const float (&o)[R][C], float factor, int first, int T, int row, int ty, int tx) {
  for (int i = 0; i < R; i++) for (int c = 0; c < C; c++) {
    int t = first + ty * R + i, d = tx + 16 * c;
    if (t < T && d < K) put(to[(long long)t * row + d], o[i][c] * factor);
  }
}
// the first element of this block's head, and that of y
#define PLACES long long b = blockIdx.y / H, h = blockIdx.y % H, base = b * T * row + h * K, mixed = (b * T * H + h) * K;`;

/** q, k, v -> y, lse. Parameters q, k, v, y, lse, T, H, row, scale. Grid x is tiles of queries, grid y is B H. */
export const attention = (name: string, K: number, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppppiiif",
  source: `${common(K, stored)}
extern "C" __global__ void __launch_bounds__(256) ${name}(const E* q, const E* k, const E* v, E* y, float* lse, int T, int H, int row, float scale) {
  __shared__ Tile Q, KV;
  __shared__ Square S;
  int ty = threadIdx.x >> 4, tx = threadIdx.x & 15, first = (gridDim.x - 1 - blockIdx.x) * ROWS;
  PLACES
  float o[R][C] = {}, m[R], l[R] = {};
  for (int i = 0; i < R; i++) m[i] = -INFF;
  loadTile(Q, q + base, first, T, row);
  for (int at = 0; at <= first; at += ROWS) {
    __syncthreads();
    loadTile(KV, k + base, at, T, row);
    __syncthreads();
    float s[R][R];
    dots(s, Q, KV, ty, tx);
    for (int i = 0; i < R; i++) {
      float top = m[i], sum = 0;
      for (int j = 0; j < R; j++) {
        s[i][j] = at + tx + 16 * j <= first + ty * R + i ? s[i][j] * scale : -INFF;
        top = fmaxf(top, s[i][j]);
      }
      for (int w = 8; w; w >>= 1) top = fmaxf(top, __shfl_xor_sync(~0u, top, w));
      for (int j = 0; j < R; j++) { float e = __expf(s[i][j] - top); sum += e; S[ty * R + i][tx + 16 * j] = e; }
      for (int w = 8; w; w >>= 1) sum += __shfl_xor_sync(~0u, sum, w);
      float shrink = __expf(m[i] - top);
      l[i] = l[i] * shrink + sum;
      m[i] = top;
      for (int c = 0; c < C; c++) o[i][c] *= shrink;
    }
    __syncthreads();
    loadTile(KV, v + base, at, T, row);
    __syncthreads();
    mix(o, S, KV, ty, tx);
  }
  for (int i = 0; i < R; i++) {
    int t = first + ty * R + i;
    if (!tx && t < T) lse[(long long)blockIdx.y * T + t] = m[i] + __logf(l[i]);
    for (int c = 0; c < C; c++) o[i][c] /= l[i];
  }
  storeTile(y + mixed, o, 1.f, first, T, H * K, ty, tx);
}`,
});

/** `delta = sum of dy y` of each row, a warp a row. Parameters dy, y, delta, B T H, T, H. */
export const rowDots = (name: string, K: number, dy: Stored, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppiii",
  source: `
extern "C" __global__ void ${name}(const ${cType[dy]}* dy, const ${cType[stored]}* y, float* delta, int rows, int T, int H) {
  int row = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (row >= rows) return;
  float s = 0;
  for (int d = lane; d < ${K}; d += 32) s += get(dy[(long long)row * ${K} + d]) * get(y[(long long)row * ${K} + d]);
  s = warpSum(s);
  if (!lane) delta[((long long)(row / H / T) * H + row % H) * T + row / H % T] = s;
}`,
});

/** The probabilities p and the gradient of the scores, of one tile of queries and one of keys. */
const scores = `
    float s[R][R], g[R][R];
    dots(s, Q, KEY, ty, tx);
    dots(g, DY, VALUE, ty, tx);
    for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) {
      int t = from + ty * R + i, u = at + tx + 16 * j;
      float p = u <= t && t < T ? __expf(s[i][j] * scale - lse[line + t]) : 0.f;
      s[i][j] = p;
      g[i][j] = t < T ? p * (g[i][j] - delta[line + t]) : 0.f;
    }`;

/** Gradients by keys and values: a block a tile of keys. Parameters dy, q, k, v, lse, delta, dk, dv, T, H, row, scale. Grid as `attention`. */
export const attentionKeys = (name: string, K: number, stored: Stored): Omit<Program, "name"> => ({
  takes: "ppppppppiiif",
  source: `${common(K, stored)}
extern "C" __global__ void __launch_bounds__(256) ${name}(const E* dy, const E* q, const E* k, const E* v, const float* lse, const float* delta, E* dk, E* dv, int T, int H, int row, float scale) {
  __shared__ Tile Q, KEY, VALUE, DY;
  __shared__ Square S;
  int ty = threadIdx.x >> 4, tx = threadIdx.x & 15, at = blockIdx.x * ROWS;
  PLACES
  long long line = (long long)blockIdx.y * T;
  float ok[R][C] = {}, ov[R][C] = {};
  loadTile(KEY, k + base, at, T, row);
  loadTile(VALUE, v + base, at, T, row);
  for (int from = at; from < T; from += ROWS) {
    __syncthreads();
    loadTile(Q, q + base, from, T, row);
    loadTile(DY, dy + mixed, from, T, H * K);
    __syncthreads();${scores}
    for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) S[ty * R + i][tx + 16 * j] = s[i][j];
    __syncthreads();
    mixTransposed(ov, S, DY, ty, tx);
    __syncthreads();
    for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) S[ty * R + i][tx + 16 * j] = g[i][j];
    __syncthreads();
    mixTransposed(ok, S, Q, ty, tx);
  }
  storeTile(dk + base, ok, scale, at, T, row, ty, tx);
  storeTile(dv + base, ov, 1.f, at, T, row, ty, tx);
}`,
});

/** Gradient by queries: a block a tile of queries. Parameters dy, q, k, v, lse, delta, dq, T, H, row, scale. */
export const attentionQueries = (name: string, K: number, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppppppiiif",
  source: `${common(K, stored)}
extern "C" __global__ void __launch_bounds__(256) ${name}(const E* dy, const E* q, const E* k, const E* v, const float* lse, const float* delta, E* dq, int T, int H, int row, float scale) {
  __shared__ Tile Q, KEY, VALUE, DY;
  __shared__ Square S;
  int ty = threadIdx.x >> 4, tx = threadIdx.x & 15, from = (gridDim.x - 1 - blockIdx.x) * ROWS;
  PLACES
  long long line = (long long)blockIdx.y * T;
  float o[R][C] = {};
  loadTile(Q, q + base, from, T, row);
  loadTile(DY, dy + mixed, from, T, H * K);
  for (int at = 0; at <= from; at += ROWS) {
    __syncthreads();
    loadTile(KEY, k + base, at, T, row);
    loadTile(VALUE, v + base, at, T, row);
    __syncthreads();${scores}
    for (int i = 0; i < R; i++) for (int j = 0; j < R; j++) S[ty * R + i][tx + 16 * j] = g[i][j];
    __syncthreads();
    mix(o, S, KEY, ty, tx);
  }
  storeTile(dq + base, o, scale, from, T, row, ty, tx);
}`,
});
