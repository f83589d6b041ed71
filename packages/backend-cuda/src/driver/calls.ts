// The driver's API (libcuda), declared: each call throws on an error, with the driver's own words. Addresses and handles are
// numbers.
import { type Call, type Library, load, textAt } from "../library/load.ts";

/** Names of prototypes below, without "cu". */
const prototypes = {
  init: "cuInit(uint flags)",
  driverVersion: "cuDriverGetVersion(_Out_ int* version)",
  deviceCount: "cuDeviceGetCount(_Out_ int* count)",
  device: "cuDeviceGet(_Out_ int* device, int ordinal)",
  deviceName: "cuDeviceGetName(void* name, int bytes, int device)",
  attribute: "cuDeviceGetAttribute(_Out_ int* value, int attribute, int device)",
  retain: "cuDevicePrimaryCtxRetain(_Out_ uint64_t* context, int device)",
  release: "cuDevicePrimaryCtxRelease_v2(int device)",
  setCurrent: "cuCtxSetCurrent(uint64_t context)",
  memoryInfo: "cuMemGetInfo_v2(_Out_ uint64_t* free, _Out_ uint64_t* total)",
  free: "cuMemFree_v2(uint64_t address)",
  hostAllocate: "cuMemHostAlloc(_Out_ uint64_t* address, size_t bytes, uint flags)",
  hostFree: "cuMemFreeHost(uint64_t address)",
  toDevice: "cuMemcpyHtoDAsync_v2(uint64_t to, void* from, size_t bytes, uint64_t stream)",
  toDeviceAt: "cuMemcpyHtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, uint64_t stream)",
  toHost: "cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, uint64_t stream)",
  toHostAt: "cuMemcpyDtoHAsync_v2(uint64_t to, uint64_t from, size_t bytes, uint64_t stream)",
  copy: "cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, uint64_t stream)",
  fill: "cuMemsetD32Async(uint64_t to, uint32_t word, size_t count, uint64_t stream)",
  streamCreate: "cuStreamCreate(_Out_ uint64_t* stream, uint flags)",
  streamWait: "cuStreamSynchronize(uint64_t stream)",
  streamDestroy: "cuStreamDestroy_v2(uint64_t stream)",
  eventCreate: "cuEventCreate(_Out_ uint64_t* event, uint flags)",
  eventRecord: "cuEventRecord(uint64_t event, uint64_t stream)",
  eventWait: "cuEventSynchronize(uint64_t event)",
  elapsed: "cuEventElapsedTime(_Out_ float* ms, uint64_t from, uint64_t to)",
  loadModule: "cuModuleLoadData(_Out_ uint64_t* module, void* image)",
  functionOf: "cuModuleGetFunction(_Out_ uint64_t* function, uint64_t module, str name)",
  setFunction: "cuFuncSetAttribute(uint64_t function, int attribute, int value)",
} as const;

const launchPrototype =
  "int cuLaunchKernel(uint64_t function, uint gx, uint gy, uint gz, uint bx, uint by, uint bz, uint shared, uint64_t stream, uint64_t parameters, uint64_t extra)";

/** Result codes with a meaning of their own here. */
export const result = { outOfMemory: 2, noDevice: 100, notReady: 600 } as const;

export type Calls = Readonly<Record<keyof typeof prototypes, (...args: readonly unknown[]) => void>> & {
  /** As the driver has them, a result code returned. */
  readonly allocate: Call;
  readonly launch: Call;
  readonly eventQuery: Call;
  /** The driver's words for a result code. */
  readonly describe: (code: number) => string;
};

function describer(library: Library): (code: number) => string {
  const find = library.declare("int cuGetErrorString(int code, _Out_ uint64_t* text)");
  return (code) => {
    const text = [0];
    return find(code, text) === 0 && text[0] ? textAt(text[0]) : `error ${code}`;
  };
}

/** Loads libcuda. Throws where the machine has no NVIDIA driver. */
export function driverCalls(path = "libcuda.so.1"): Calls {
  let library: Library;
  try {
    library = load(path);
  } catch {
    throw new Error(
      `device cuda: no NVIDIA driver, ${path} is not on the system's library path; install the driver, or use another device`,
    );
  }
  const describe = describer(library);
  const checked = (prototype: string) => {
    const call = library.declare(`int ${prototype}`);
    const name = prototype.slice(0, prototype.indexOf("("));
    return (...args: readonly unknown[]): void => {
      const code = call(...args);
      if (code) throw new Error(`${name}: ${describe(code)}`);
    };
  };
  const all = Object.entries(prototypes).map(([key, prototype]) => [key, checked(prototype)]);
  return {
    ...(Object.fromEntries(all) as Omit<Calls, "allocate" | "launch" | "eventQuery" | "describe">),
    allocate: library.declare("int cuMemAlloc_v2(_Out_ uint64_t* address, size_t bytes)"),
    launch: library.declare(launchPrototype),
    eventQuery: library.declare("int cuEventQuery(uint64_t event)"),
    describe,
  };
}

/** What a call with one `_Out_` number gives. */
export function out(call: (into: number[]) => void): number {
  const into = [0];
  call(into);
  return Number(into[0]);
}
