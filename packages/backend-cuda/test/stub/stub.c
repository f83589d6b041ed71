// NVIDIA's driver, NVRTC, cuBLASLt and cuDNN in one library that computes nothing: every call succeeds at once. Addresses and handles
// count up, host memory is real. It stands for a card where only the caller's own cost or its arguments matter.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t u64;

static u64 next = 1 << 20;
static u64 launches;
static u64 last[48];

static int handle(u64* into) {
  *into = next += 256;
  return 0;
}

#define NOTHING(name) \
  int name() { return 0; }
#define HANDLE(name) \
  int name(u64* into) { return handle(into); }

/* the driver */
NOTHING(cuInit)
NOTHING(cuDevicePrimaryCtxRelease_v2)
NOTHING(cuCtxSetCurrent)
NOTHING(cuMemFree_v2)
NOTHING(cuMemcpyHtoDAsync_v2)
NOTHING(cuMemcpyDtoHAsync_v2)
NOTHING(cuMemcpyDtoDAsync_v2)
NOTHING(cuMemsetD32Async)
NOTHING(cuStreamSynchronize)
NOTHING(cuStreamDestroy_v2)
NOTHING(cuEventRecord)
NOTHING(cuEventSynchronize)
NOTHING(cuEventQuery)
NOTHING(cuFuncSetAttribute)
HANDLE(cuDevicePrimaryCtxRetain)
HANDLE(cuStreamCreate)
HANDLE(cuEventCreate)
HANDLE(cuModuleLoadData)
HANDLE(cuModuleGetFunction)

int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* device) { return *device = 0, 0; }
int cuDeviceGetName(char* name) { return strcpy(name, "stub"), 0; }
int cuDeviceGetAttribute(int* value, int attribute) { return *value = attribute == 75 ? 9 : attribute == 16 ? 132 : 0, 0; }
int cuMemGetInfo_v2(u64* free, u64* total) { return *free = *total = 1ull << 40, 0; }
int cuEventElapsedTime(float* ms) { return *ms = 1, 0; }
int cuGetErrorString(int code, u64* text) { return *text = 0, 0; }
int cuMemAlloc_v2(u64* address, u64 bytes) {
  *address = next += 4096;
  next += bytes;
  return 0;
}
int cuMemHostAlloc(u64* address, u64 bytes) { return *address = (u64)calloc(1, bytes), 0; }
int cuMemFreeHost(u64 address) { return free((void*)address), 0; }
/* As the driver does, it reads every parameter before it returns: those of the last launch are kept. It knows no signatures: 8 bytes each. */
int cuLaunchKernel(u64 function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, u64 stream,
                   u64* parameters) {
  for (int i = 0; i < 48; i++) memcpy(last + i, (void*)parameters[i], 8);
  launches++;
  return 0;
}
u64 stubLaunches() { return launches; }
void stubLast(u64* into) { memcpy(into, last, sizeof last); }

/* NVRTC */
NOTHING(nvrtcDestroyProgram)
NOTHING(nvrtcGetProgramLog)
NOTHING(nvrtcGetCUBIN)
NOTHING(nvrtcGetPTX)
NOTHING(nvrtcCompileProgram)
HANDLE(nvrtcCreateProgram)
int nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, 0; }
int nvrtcGetNumSupportedArchs(int* count) { return *count = 1, 0; }
int nvrtcGetSupportedArchs(int* list) { return *list = 90, 0; }
int nvrtcGetProgramLogSize(u64 program, u64* bytes) { return *bytes = 1, 0; }
int nvrtcGetCUBINSize(u64 program, u64* bytes) { return *bytes = 1, 0; }
int nvrtcGetPTXSize(u64 program, u64* bytes) { return *bytes = 1, 0; }

/* cuBLASLt */
HANDLE(cublasLtCreate)
NOTHING(cublasLtDestroy)
HANDLE(cublasLtMatmulDescCreate)
NOTHING(cublasLtMatmulDescSetAttribute)
HANDLE(cublasLtMatrixLayoutCreate)
NOTHING(cublasLtMatrixLayoutSetAttribute)
HANDLE(cublasLtMatmulPreferenceCreate)
NOTHING(cublasLtMatmulPreferenceSetAttribute)
NOTHING(cublasLtMatmul)
int cublasLtMatmulAlgoGetHeuristic(u64 lt, u64 desc, u64 a, u64 b, u64 c, u64 d, u64 preference, int wanted, void* results, int* found) {
  return *found = 1, 0;
}

/* cuDNN */
HANDLE(cudnnCreate)
NOTHING(cudnnSetStream)
NOTHING(cudnnBackendDestroyDescriptor)
NOTHING(cudnnBackendSetAttribute)
NOTHING(cudnnBackendFinalize)
NOTHING(cudnnBackendExecute)
NOTHING(cudnnGetLastErrorString)
u64 cudnnGetVersion() { return 91900; }
int cudnnBackendCreateDescriptor(int kind, u64* descriptor) { return handle(descriptor); }
int cudnnBackendGetAttribute(u64 descriptor, int name, int type, int64_t wanted, int64_t* count, void* values) { return *count = 1, 0; }
