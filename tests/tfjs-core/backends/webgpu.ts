// tfjs's WebGPU backend for its own suite, with our backend and kernels or as it comes. `main.ts` sees to a Vulkan in software.
import * as tf from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { Backend } from "../../../packages/core/src/devices/webgpu/backend.ts";
import { requestGpu } from "../../../packages/core/src/devices/webgpu/gpu.ts";
import { kernels } from "../../../packages/core/src/devices/webgpu/table.ts";
import type { TestBackend } from "../backend.ts";

const backendName = "webgpu";

declare const afterEach: (run: () => Promise<void>) => void;

/** Ends a spec before the next: an error of the GPU comes late, and a submission with a bad shader in it is dropped whole. */
async function settle(backend: Backend | WebGPUBackend): Promise<void> {
  const at = backend as Backend;
  at.ensureCommandEncoderReady();
  at.endComputePassEncoder();
  at.submitQueue();
  await at.device.queue.onSubmittedWorkDone();
  try {
    if (backend instanceof Backend) backend.copy([]); // throws what the spec left untold
  } catch {}
}

export const start: TestBackend = async (ours) => {
  const { device, info } = await requestGpu();
  const backend = ours ? new Backend(device, info, Number.POSITIVE_INFINITY) : new WebGPUBackend(device, info);
  if (tf.findBackendFactory(backendName)) tf.removeBackend(backendName); // tfjs's own asks for a browser
  tf.registerBackend(backendName, () => backend as tf.KernelBackend, 3);
  for (const config of ours ? kernels() : []) {
    if (tf.getKernel(config.kernelName, backendName)) tf.unregisterKernel(config.kernelName, backendName);
    tf.registerKernel(config);
  }
  afterEach(() => settle(backend));
  return { backendName, isDataSync: false };
};
