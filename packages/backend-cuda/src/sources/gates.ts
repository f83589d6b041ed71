// Sources of what Llama's blocks are made of beside products and attention: gated units, and rotary positions.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** `silu(a) b`, of gate a and up b. */
export const swiglu = "a / (1.f + __expf(-a)) * b";

/** `swiglu` once more, and its gradients by gate and up. Parameters gate, up, dy, y, dgate, dup, n. */
export const swigluGrad = (name: string, x: Stored, dy: Stored): Omit<Program, "name"> => ({
  takes: "ppppppi",
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* gate, const ${cType[x]}* up, const ${cType[dy]}* dy, ${cType[x]}* y, ${cType[x]}* dgate, ${cType[x]}* dup, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u, to = i + 4 <= n ? i + 4 : n;
  if (i + 4 <= n) {
    Four<${cType[x]}> g = *(const Four<${cType[x]}>*)(gate + i), u = *(const Four<${cType[x]}>*)(up + i), o, p, q;
    Four<${cType[dy]}> d = *(const Four<${cType[dy]}>*)(dy + i);
    for (int j = 0; j < 4; j++) {
      float a = get(g.v[j]), s = __fdividef(1.f, 1.f + __expf(-a)), silu = a * s, slope = get(d.v[j]);
      put(o.v[j], silu * get(u.v[j]));
      put(p.v[j], slope * get(u.v[j]) * (silu - silu * s + s));
      put(q.v[j], slope * silu);
    }
    *(Four<${cType[x]}>*)(y + i) = o; *(Four<${cType[x]}>*)(dgate + i) = p; *(Four<${cType[x]}>*)(dup + i) = q;
  } else for (; i < to; i++) {
    float a = get(gate[i]), s = __fdividef(1.f, 1.f + __expf(-a)), silu = a * s, slope = get(dy[i]), u = get(up[i]);
    put(y[i], silu * u);
    put(dgate[i], slope * u * (silu - silu * s + s));
    put(dup[i], slope * silu);
  }
}`,
});

/** Turns pairs (j, j + J) of rows by `t frequency[j]`: x `[P, T, 2 J]`, the same out. Parameters x, frequencies, y, pairs in all, T, J, sign. */
export const rotary = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppiiif",
  source: `
extern "C" __global__ void ${name}(const ${cType[stored]}* x, const float* frequencies, ${cType[stored]}* y, int n, int T, int J, float sign) {
  u32 i = blockIdx.x * 256u + threadIdx.x;
  if (i >= n) return;
  int j = i % (u32)J, t = i / (u32)J % (u32)T;
  long long at = (long long)(i / (u32)J) * 2 * J + j;
  float angle = t * frequencies[j], c = cosf(angle), s = sign * sinf(angle), a = get(x[at]), b = get(x[at + J]);
  put(y[at], a * c - b * s);
  put(y[at + J], b * c + a * s);
}`,
});

/** The k largest elements of each row with their places, the first of equals first: x `[N, R]` -> `[N, k]` twice. Parameters x, values, places, R, k. */
export const topK = (name: string, stored: Stored): Omit<Program, "name"> => ({
  takes: "pppii",
  source: `
extern "C" __global__ void __launch_bounds__(256) ${name}(const ${cType[stored]}* x, ${cType[stored]}* values, int* places, int R, int k) {
  __shared__ float best[8];
  __shared__ int found[8];
  const ${cType[stored]}* row = x + (long long)blockIdx.x * R;
  float last = INFF;
  int at = -1;
  for (int turn = 0; turn < k; turn++) {
    float v = -INFF;
    int p = R;
    for (int i = threadIdx.x; i < R; i += 256) {
      float e = get(row[i]);
      bool left = e < last || (e == last && i > at) || (e != e && last == -INFF && i > at);
      if (left && (e > v || p == R)) { v = e; p = i; }
    }
    for (int o = 16; o; o >>= 1) {
      float e = __shfl_xor_sync(~0u, v, o);
      int i = __shfl_xor_sync(~0u, p, o);
      if (i < R && (p == R || e > v || (e == v && i < p))) { v = e; p = i; }
    }
    if (!(threadIdx.x & 31)) { best[threadIdx.x >> 5] = v; found[threadIdx.x >> 5] = p; }
    __syncthreads();
    v = best[0]; p = found[0];
    for (int w = 1; w < 8; w++) if (found[w] < R && (p == R || best[w] > v || (best[w] == v && found[w] < p))) { v = best[w]; p = found[w]; }
    __syncthreads();
    last = v; at = p;
    if (!threadIdx.x) { values[(long long)blockIdx.x * k + turn] = row[p < R ? p : 0]; places[(long long)blockIdx.x * k + turn] = p; }
  }
}`,
});
