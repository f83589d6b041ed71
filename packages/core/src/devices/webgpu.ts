// The webgpu device: tfjs's WebGPU backend on a GPU device requested here. Import it only when it is asked for: its
// package is optional. tfjs can request the device itself, but names one required feature as a list (tfjs 4.22),
// which Deno refuses. Read tensors with `await data()`: the backend cannot read synchronously outside browsers.
import { engine, registerBackend, removeBackend } from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** The features and limits that tfjs's kernels use. */
const features = ["timestamp-query", "bgra8unorm-storage"] as const;
const limits = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

async function requestAdapter(): Promise<GPUAdapter> {
  const gpu = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (!gpu)
    throw new Error("device webgpu: this runtime has no navigator.gpu. Run under Deno, or use the device wasm.");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) return adapter;
  throw new Error(
    "device webgpu: no GPU adapter. Install a Vulkan driver (Debian: mesa-vulkan-drivers), or use the device wasm.",
  );
}

async function newBackend(): Promise<WebGPUBackend> {
  const adapter: GPUAdapter & { info?: GPUAdapterInfo } = await requestAdapter();
  const device = await adapter.requestDevice({
    requiredFeatures: features.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
  });
  return new WebGPUBackend(device, adapter.info);
}

const registered = () => engine().registry.webgpu;

/**
 * Makes `webgpu` a backend that `tf.setBackend` knows, in place of tfjs's own registration, and returns that name. Calls after
 * the first keep the same backend. Throws where the runtime has no WebGPU or no adapter.
 */
export async function webgpuBackend(): Promise<string> {
  if (registered()) return "webgpu";
  const backend = await newBackend();
  if (!registered()) {
    removeBackend("webgpu");
    registerBackend("webgpu", () => backend);
  }
  return "webgpu";
}
