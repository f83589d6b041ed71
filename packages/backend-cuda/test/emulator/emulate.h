// Enough of CUDA C++ for a CPU to run this package's kernels: a fiber a thread, blocks one after the other. For tests.
#include <math.h>
#include <string.h>
#include <stdlib.h>
#include <ucontext.h>
#include <utility>
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __restrict__
#define EMULATED 1
struct Dim { unsigned x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;
struct Fiber { ucontext_t at; char* stack; bool done; unsigned id; };
static Fiber* fibers; static unsigned fiberCount, here; static ucontext_t scheduler;
static void yield() { unsigned me = here; swapcontext(&fibers[me].at, &scheduler); }
static unsigned blockArrived, blockRound, alive, warpArrived[32], warpRound[32], warpAlive[32];
static void __syncthreads() {
  unsigned round = blockRound; blockArrived++;
  while (round == blockRound) { if (blockArrived >= alive) { blockArrived = 0; blockRound++; break; } yield(); }
}
static void __syncwarp(unsigned = 0) {
  unsigned w = here / 32, round = warpRound[w]; warpArrived[w]++;
  while (round == warpRound[w]) { if (warpArrived[w] >= warpAlive[w]) { warpArrived[w] = 0; warpRound[w]++; break; } yield(); }
}
static char mailbox[1024][32];
template <class T> static T exchange(T x, unsigned from) {
  memcpy(mailbox[here], &x, sizeof x); __syncwarp(); T y; memcpy(&y, mailbox[(here & ~31u) + (from & 31)], sizeof y); __syncwarp(); return y;
}
template <class T> static T __shfl_xor_sync(unsigned, T x, int o) { return exchange(x, (here & 31) ^ o); }
template <class T> static T __shfl_sync(unsigned, T x, int from) { return exchange(x, from); }
template <class T> static T __shfl_down_sync(unsigned, T x, int o) { unsigned l = here & 31; return exchange(x, l + o < 32 ? l + o : l); }
template <class T> static T __shfl_up_sync(unsigned, T x, int o) { unsigned l = here & 31; return exchange(x, (int)l - o >= 0 ? l - o : l); }
template <class T> static T atomicAdd(T* p, T x) { T old = *p; *p += x; return old; }
static float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
static unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
static float __int_as_float(int u) { return __uint_as_float(u); }
static float rsqrtf(float x) { return 1 / sqrtf(x); }
#define __expf expf
#define __logf logf
static float __fdividef(float a, float b) { return a / b; }
static unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
template <class T> static T min(T a, T b) { return a < b ? a : b; }
template <class T> static T max(T a, T b) { return a > b ? a : b; }
struct alignas(16) uint4 { unsigned x, y, z, w; }; struct alignas(16) float4 { float x, y, z, w; }; struct uint2 { unsigned x, y; }; struct alignas(8) float2 { float x, y; };
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static float2 make_float2(float x, float y) { return {x, y}; }
static void** given; static void (*entry)();
static void body() { entry(); }
static void fiberMain() { body(); fibers[here].done = true; alive--; warpAlive[here / 32]--; yield(); }
static void runBlockWithFibers() {
  unsigned n = blockDim.x; blockArrived = blockRound = 0; alive = n;
  for (unsigned w = 0; w < 32; w++) { warpArrived[w] = warpRound[w] = 0; warpAlive[w] = w * 32 < n ? (n - w * 32 < 32 ? n - w * 32 : 32) : 0; }
  for (unsigned t = 0; t < n; t++) {
    Fiber& f = fibers[t]; f.done = false; f.id = t; getcontext(&f.at);
    f.at.uc_stack.ss_sp = f.stack; f.at.uc_stack.ss_size = 1 << 16; f.at.uc_link = &scheduler; makecontext(&f.at, fiberMain, 0);
  }
  for (unsigned left = n; left;) { left = 0;
    for (unsigned t = 0; t < n; t++) if (!fibers[t].done) { here = t; threadIdx = {t, 0, 0}; swapcontext(&scheduler, &fibers[t].at); if (!fibers[t].done) left++; } }
}
template <class F, class... A, size_t... I> static void invokeAt(F f, void** p, std::index_sequence<I...>, void (*)(A...)) { f(*(A*)p[I]...); }
template <class... A> static void invoke(void (*f)(A...), void** p) { invokeAt(f, p, std::index_sequence_for<A...>(), f); }
static void runGrid(unsigned gx, unsigned gy, unsigned threads, bool together) {
  gridDim = {gx, gy, 1}; blockDim = {threads, 1, 1};
  if (together && !fibers) { fibers = new Fiber[1024]; for (int i = 0; i < 1024; i++) fibers[i].stack = (char*)malloc(1 << 16); }
  for (unsigned y = 0; y < gy; y++) for (unsigned x = 0; x < gx; x++) { blockIdx = {x, y, 0};
    if (together) runBlockWithFibers(); else for (unsigned t = 0; t < threads; t++) { threadIdx = {t, 0, 0}; here = t; body(); } }
}
#define EXPORT(name, together) static void thunk() { invoke(name, given); } \
  extern "C" void run(unsigned gx, unsigned gy, unsigned threads, void** p) { given = p; entry = thunk; runGrid(gx, gy, threads, together); }
