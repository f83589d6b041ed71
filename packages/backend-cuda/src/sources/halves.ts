// Sources of conversions between float32 and half, with a power of two taken from the largest magnitude where its address is given.
import type { Program } from "../driver/gpu.ts";

/** 2^e so that the largest magnitude times it is in 8 .. 16, or 1 / 2^e. */
const factor = `
INLINE float factorOf(const float* largest, int sign) {
  if (!largest) return 1.f;
  int e = (int)((__float_as_uint(*largest) >> 23) & 255);
  if (e == 0 || e == 255) return 1.f;
  e = sign * (130 - e) + 127;
  return __uint_as_float((u32)(e < 1 ? 1 : e > 254 ? 254 : e) << 23);
}`;

/** Parameters x, address of the largest magnitude or 0, y, n. */
export const toHalves = (name: string): Omit<Program, "name"> => ({
  takes: "pppi",
  source: `${factor}
INLINE u16 half(float x) {
  x = x > 65504.f ? 65504.f : x < -65504.f ? -65504.f : x;
#ifdef EMULATED
  return narrow_f16(x);
#else
  u16 h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
#endif
}
extern "C" __global__ void ${name}(const float* x, const float* largest, u16* y, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  float by = factorOf(largest, 1);
  if (i + 4 <= n) {
    Four<float> a = *(const Four<float>*)(x + i);
    Four<u16> h;
    for (int j = 0; j < 4; j++) h.v[j] = half(a.v[j] * by);
    *(Four<u16>*)(y + i) = h;
  } else for (; i < n; i++) y[i] = half(x[i] * by);
}`,
});

/** Parameters x, address of the largest magnitude or 0, y, n. */
export const fromHalves = (name: string): Omit<Program, "name"> => ({
  takes: "pppi",
  source: `${factor}
INLINE float wide(u16 h) {
#ifdef EMULATED
  return wide_f16(h);
#else
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
#endif
}
extern "C" __global__ void ${name}(const u16* x, const float* largest, float* y, int n) {
  u32 i = (blockIdx.x * 256u + threadIdx.x) * 4u;
  float by = factorOf(largest, -1);
  if (i + 4 <= n) {
    Four<u16> h = *(const Four<u16>*)(x + i);
    Four<float> a;
    for (int j = 0; j < 4; j++) a.v[j] = wide(h.v[j]) * by;
    *(Four<float>*)(y + i) = a;
  } else for (; i < n; i++) y[i] = wide(x[i]) * by;
}`,
});
