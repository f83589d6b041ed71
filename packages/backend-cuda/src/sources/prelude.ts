// The head of every kernel's source: element types, how they are read into registers and written back. float32 and bf16
// are float in registers, int32 and bool are int.

/** Types of elements in device memory. `u8` holds tfjs's bool. */
export type Stored = "f32" | "bf16" | "i32" | "u8";

/** The type's name in the sources. */
export const cType: Readonly<Record<Stored, string>> = { f32: "float", bf16: "bf16", i32: "int", u8: "u8" };

/** The type of an element in a register. */
export const register = (type: Stored): "float" | "int" => (type === "f32" || type === "bf16" ? "float" : "int");

/** Bytes of an element. */
export const bytesOf: Readonly<Record<Stored, number>> = { f32: 4, bf16: 2, i32: 4, u8: 1 };

export const prelude = `
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
#define INLINE __device__ __forceinline__
#define NANF __int_as_float(0x7fc00000)
#define INFF __int_as_float(0x7f800000)

struct bf16 { u16 bits; };
INLINE float get(float x) { return x; }
INLINE float get(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
INLINE int get(int x) { return x; }
INLINE int get(u8 x) { return x; }

INLINE u16 toBf16(float x) { // to nearest, ties to even
  u32 u = __float_as_uint(x);
  return (u & 0x7fffffff) > 0x7f800000 ? (u16)0x7fc0 : (u16)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
INLINE void put(float& to, float x) { to = x; }
INLINE void put(float& to, int x) { to = (float)x; }
INLINE void put(bf16& to, float x) { to.bits = toBf16(x); }
INLINE void put(bf16& to, int x) { to.bits = toBf16((float)x); }
INLINE void put(int& to, float x) { to = (int)x; }
INLINE void put(int& to, int x) { to = x; }
INLINE void put(u8& to, float x) { to = x != 0; }
INLINE void put(u8& to, int x) { to = x != 0; }

template <class T> struct alignas(4 * sizeof(T)) Four { T v[4]; };

INLINE float warpSum(float x) { for (int o = 16; o; o >>= 1) x += __shfl_xor_sync(~0u, x, o); return x; }
INLINE float warpMax(float x) { for (int o = 16; o; o >>= 1) x = fmaxf(x, __shfl_xor_sync(~0u, x, o)); return x; }
// All threads of a block of at most 1024, a multiple of 32; every one gets the result.
INLINE float blockSum(float x) {
  __shared__ float part[32];
  int lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  x = warpSum(x);
  if (warps == 1) return x;
  __syncthreads();
  if (!lane) part[threadIdx.x >> 5] = x;
  __syncthreads();
  return warpSum(lane < warps ? part[lane] : 0.f);
}
INLINE float blockMax(float x) {
  __shared__ float part[32];
  int lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  x = warpMax(x);
  if (warps == 1) return x;
  __syncthreads();
  if (!lane) part[threadIdx.x >> 5] = x;
  __syncthreads();
  return warpMax(lane < warps ? part[lane] : -INFF);
}
`;
