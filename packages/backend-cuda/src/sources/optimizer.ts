// Sources of AdamW's update and of gelu's gradient: element by element, with several outputs.
import type { Program } from "../driver/gpu.ts";
import { cType, type Stored } from "./prelude.ts";

/** Constants of `adamw`, in the order of its parameters. */
export const adamwConstants = ["beta1", "beta2", "eps", "rate", "unbias2", "keep", "scale"] as const;

/**
 * The new value and moments (Loshchilov and Hutter 2019), and where `half` the value in bf16 too. Parameters value, grad, m, v,
 * new value, new m, new v, new half or 0, n, constants.
 */
export const adamw = (name: string, grad: Stored, half: boolean): Omit<Program, "name"> => ({
  takes: "ppppppppifffffff",
  source: `
extern "C" __global__ void ${name}(const float* value, const ${cType[grad]}* grad, const float* m, const float* v, float* y, float* ym, float* yv, bf16* low, int n,
    ${adamwConstants.map((each) => `float ${each}`).join(", ")}) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  Four<float> w, a, q;
  Four<${cType[grad]}> g;
  int few = i + 4 <= n ? 4 : n - i;
  if (few == 4) {
    w = *(const Four<float>*)(value + i); a = *(const Four<float>*)(m + i);
    q = *(const Four<float>*)(v + i); g = *(const Four<${cType[grad]}>*)(grad + i);
  } else for (int j = 0; j < few; j++) { w.v[j] = value[i + j]; a.v[j] = m[i + j]; q.v[j] = v[i + j]; g.v[j] = grad[i + j]; }
  for (int j = 0; j < few; j++) {
    float d = get(g.v[j]) * scale;
    a.v[j] = beta1 * a.v[j] + (1.f - beta1) * d;
    q.v[j] = beta2 * q.v[j] + (1.f - beta2) * d * d;
    w.v[j] = keep * w.v[j] - rate * a.v[j] / (sqrtf(unbias2 * q.v[j]) + eps);
  }
  if (few == 4) { *(Four<float>*)(y + i) = w; *(Four<float>*)(ym + i) = a; *(Four<float>*)(yv + i) = q; }
  else for (int j = 0; j < few; j++) { y[i + j] = w.v[j]; ym[i + j] = a.v[j]; yv[i + j] = q.v[j]; }
  ${half ? "for (int j = 0; j < few; j++) put(low[i + j], w.v[j]);" : ""}
}`,
});

/** The tanh form of gelu through one sigmoid: `x sigmoid(x (A + B x^2))`. */
export const gelu = "a / (1.f + __expf(-a * (1.5957691216057308f + 0.07135481282852f * a * a)))";

/** gelu(x) and `dy gelu'(x)`. Parameters x, dy, y, dx, n. */
export const geluGrad = (name: string, x: Stored, dy: Stored, output: Stored): Omit<Program, "name"> => ({
  takes: "ppppi",
  source: `
extern "C" __global__ void ${name}(const ${cType[x]}* x, const ${cType[dy]}* dy, ${cType[output]}* y, ${cType[output]}* dx, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  if (i >= n) return;
  Four<${cType[x]}> a; Four<${cType[dy]}> g; Four<${cType[output]}> u, w;
  int few = i + 4 <= n ? 4 : n - i;
  if (few == 4) { a = *(const Four<${cType[x]}>*)(x + i); g = *(const Four<${cType[dy]}>*)(dy + i); }
  else for (int j = 0; j < few; j++) { a.v[j] = x[i + j]; g.v[j] = dy[i + j]; }
  for (int j = 0; j < few; j++) {
    float t = get(a.v[j]), s = __fdividef(1.f, 1.f + __expf(-t * (1.5957691216057308f + 0.07135481282852f * t * t))), v = t * s;
    put(u.v[j], v);
    put(w.v[j], ((v - v * s) * (1.5957691216057308f + 0.21406443848856f * t * t) + s) * get(g.v[j]));
  }
  if (few == 4) { *(Four<${cType[output]}>*)(y + i) = u; *(Four<${cType[output]}>*)(dx + i) = w; }
  else for (int j = 0; j < few; j++) { y[i + j] = u.v[j]; dx[i + j] = w.v[j]; }
}`,
});
