// A GPU device of WebGPU: the runtime's own where it has one (Deno), else Dawn from the optional package `webgpu` (Node, Bun).
// Every limit that the adapter offers is asked for: by default a buffer ends at 256 MiB. tfjs can request the device itself,
// but names one feature as a list (tfjs 4.22), which Deno refuses.

import { chooseGpu } from "./gpus.ts";

/** What tfjs uses where it is there. */
const features: readonly GPUFeatureName[] = ["timestamp-query", "bgra8unorm-storage"];

type HasGpu = { gpu?: GPU };

const reason = (error: unknown): string => (error instanceof Error ? error.message.split("\n")[0]! : String(error));

/** Dawn puts no `navigator.gpu` in its place, nor the constants of WebGPU: tfjs asks for both. */
async function dawn(): Promise<GPU> {
  let loaded: { readonly create: (options: string[]) => GPU; readonly globals: object };
  try {
    loaded = await import("webgpu");
  } catch (error) {
    throw new Error(
      'device webgpu: this runtime has no navigator.gpu and the package "webgpu" (Dawn, for glibc 2.34 and later) did not load ' +
        `(${reason(error)}): npm install webgpu, run under Deno, or choose the device wasm`,
    );
  }
  Object.assign(globalThis, loaded.globals);
  return loaded.create([]);
}

async function findGpu(): Promise<GPU> {
  const own = (globalThis.navigator as HasGpu | undefined)?.gpu;
  if (own) return own;
  const gpu = await dawn();
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  return gpu;
}

/** A GPU that has been started. */
interface Started {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  /** Which of several it is, in a few words. */
  readonly which: string | undefined;
}

/** Requests a device with all that the adapter offers, of the rank's GPU. Throws in one line where there is none, with what to install. */
export async function requestGpu(localRank = 0): Promise<Started> {
  const which = await chooseGpu(localRank);
  const adapter = await (await findGpu()).requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new Error(
      "device webgpu: no adapter: install the GPU's Vulkan driver and libvulkan1, or a software one (Debian: " +
        "mesa-vulkan-drivers for Deno; chromium-common for Node and Bun, with " +
        "VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json), or choose the device wasm" +
        (which ? `; this rank was given ${which}` : ""),
    );
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name as "maxBufferSize"]; // inherited getters: `Object.entries` has none
  const requiredFeatures = features.filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  return { device, info: adapter.info, which };
}
