// Sources of what tensor cores are fed with, for cards of compute capability 8.0 and up: copies into shared memory that no thread waits
// for, fragments of 16 x 16 numbers of two bytes, and their products with float32 sums (PTX ISA, "mma.m16n8k16", "ldmatrix", "cp.async").
// Tests run the same on a CPU: test/emulator/fragments.h.

/** Types that tensor cores multiply here: as many bytes, more range or more bits. */
export type Half = "bf16" | "f16";

/** What each type's instructions are called. */
const instructions = (type: Half): string => `
typedef u32 Place; // an address in shared memory
INLINE Place placeOf(const void* p) { return (u32)__cvta_generic_to_shared(p); }
// 16 or 4 bytes from global memory, zeros where they are not there. Asked for, not waited for.
INLINE void copy16(Place to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0));
}
INLINE void copy4(Place to, const void* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(there ? 4 : 0));
}
INLINE void awaitCopies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
INLINE void load4(u32 (&x)[4], Place row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(row));
}
INLINE void load4Turned(u32 (&x)[4], Place row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(row));
}
INLINE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.${type}.${type}.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
INLINE u32 pack(float low, float high) {
  u32 y;
  asm("cvt.rn.${type}x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
INLINE float power2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
INLINE float wide(u16 x) {
  float y;
  ${type === "f16" ? `asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x))` : "y = __uint_as_float((u32)x << 16)"};
  return y;
}
extern __shared__ __align__(128) u16 pool[];`;

/**
 * Primitives of one type over a block's shared memory, `u16 pool[]`. `load4` takes a row's address from each lane and gives it two
 * neighbours of row `lane / 4` of four 8 x 8 matrices, `load4Turned` of their transposes; `mma` is `d += a b` of 16 x 16 by 16 x 8; `pack`
 * rounds two float32, `wide` is one number as float32. `EACH` is a loop whose arrays stay in registers.
 */
export const primitives = (type: Half): string => `
#ifdef EMULATED
#define EACH(i, count) for (int i = 0; i < (count); i++)
EMULATE_FRAGMENTS(${type})
#else
#define EACH(i, count) _Pragma("unroll") for (int i = 0; i < (count); i++)${instructions(type)}
#endif`;
