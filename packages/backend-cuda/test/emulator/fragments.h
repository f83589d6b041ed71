// What sources/mma.ts asks of tensor cores, on a CPU: the layouts of fragments are those of the PTX ISA ("mma.m16n8k16", "ldmatrix").
// Copies are done when they are asked for.
template <class T> struct Warp { T of[32]; };
template <class T> static Warp<T> everyone(T x) {
  memcpy(mailbox[here], &x, sizeof x); __syncwarp();
  Warp<T> all; for (int i = 0; i < 32; i++) memcpy(&all.of[i], mailbox[(here & ~31u) + i], sizeof x);
  __syncwarp(); return all;
}
typedef unsigned long long Place;
static Place placeOf(const void* p) { return (Place)p; }
static void copy16(Place to, const void* from, bool there) { if (there) memcpy((void*)to, from, 16); else memset((void*)to, 0, 16); }
static void copy4(Place to, const void* from, bool there) { if (there) memcpy((void*)to, from, 4); else memset((void*)to, 0, 4); }
static void awaitCopies() {}
static void load4(unsigned (&x)[4], Place row) {
  Warp<Place> rows = everyone(row); unsigned lane = here & 31;
  for (int i = 0; i < 4; i++) memcpy(&x[i], (char*)rows.of[i * 8 + lane / 4] + lane % 4 * 4, 4);
}
static void load4Turned(unsigned (&x)[4], Place row) {
  Warp<Place> rows = everyone(row); unsigned lane = here & 31;
  for (int i = 0; i < 4; i++) {
    unsigned short two[2];
    for (int j = 0; j < 2; j++) memcpy(&two[j], (char*)rows.of[i * 8 + lane % 4 * 2 + j] + lane / 4 * 2, 2);
    memcpy(&x[i], two, 4);
  }
}
static float power2(float x) { return exp2f(x); }
static float wide_bf16(unsigned short x) { return __uint_as_float((unsigned)x << 16); }
static unsigned short narrow_bf16(float x) {
  unsigned u = __float_as_uint(x);
  return (u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}
static float wide_f16(unsigned short x) {
  int e = x >> 10 & 31, f = x & 1023;
  float y = e == 31 ? (f ? NAN : INFINITY) : e ? ldexpf(1024 + f, e - 25) : ldexpf(f, -24);
  return x >> 15 ? -y : y;
}
static unsigned short narrow_f16(float x) { // to nearest, ties to even
  unsigned sign = __float_as_uint(x) >> 16 & 0x8000; x = fabsf(x);
  if (x != x) return 0x7e00;
  if (x >= 65520.f) return sign | 0x7c00;
  int e; frexpf(x, &e); e = x == 0 || e < -13 ? -13 : e;
  int steps = (int)rintf(ldexpf(x, 11 - e)); // of 2^(e - 11): 1024 and more but for subnormals
  return sign | (steps + (e + 13 << 10)); // the leading 1 of a normal number adds one to the exponent
}
struct Fragments { unsigned a[4], b[2]; };
template <class Wide> static void multiplyFragments(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, Wide wide) {
  Warp<Fragments> all = everyone(Fragments{{a[0], a[1], a[2], a[3]}, {b0, b1}});
  for (int e = 0; e < 4; e++) {
    int row = (here & 31) / 4 + e / 2 * 8, column = (here & 31) % 4 * 2 + e % 2;
    float sum = 0;
    for (int k = 0; k < 16; k++) {
      unsigned x = all.of[row % 8 * 4 + k % 8 / 2].a[k / 8 * 2 + row / 8], y = all.of[column * 4 + k % 8 / 2].b[k / 8];
      sum += wide((unsigned short)(x >> k % 2 * 16)) * wide((unsigned short)(y >> k % 2 * 16));
    }
    d[e] += sum;
  }
}
#define EMULATE_FRAGMENTS(type) \
  alignas(128) static unsigned short pool[POOL / 2]; \
  static float wide(unsigned short x) { return wide_##type(x); } \
  static unsigned pack(float low, float high) { return narrow_##type(low) | (unsigned)narrow_##type(high) << 16; } \
  static void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { multiplyFragments(d, a, b0, b1, wide_##type); }
