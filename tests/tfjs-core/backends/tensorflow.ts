// tfjs's backend over TensorFlow for its own suite, with our kernels or as it comes. scripts/setup-tensorflow.ts builds its addon.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-node/dist/register_all_kernels.js";
import { NodeJSKernelBackend } from "@tensorflow/tfjs-node/dist/nodejs_kernel_backend.js";
import { kernelsOf } from "../../../packages/core/src/devices/tensorflow/kernels.ts";
import type { NodeBackend } from "../../../packages/core/src/devices/tensorflow/session.ts";
import { shareViews } from "../../../packages/core/src/devices/tensorflow/views.ts";
import type { TestBackend } from "../backend.ts";

const name = "@tensorflow/tfjs-node";
const require = createRequire(import.meta.url);

function replaceKernels(backend: NodeBackend): void {
  shareViews(backend);
  for (const config of kernelsOf(backend)) {
    if (tf.getKernel(config.kernelName, "tensorflow")) tf.unregisterKernel(config.kernelName, "tensorflow");
    tf.registerKernel(config);
  }
}

export const start: TestBackend = async (ours) => {
  Object.assign(util, { isNullOrUndefined: (x: unknown) => x === null || x === undefined }); // gone since Node 23
  const folder = dirname(require.resolve(`${name}/package.json`));
  const binding = require(join(folder, "lib/napi-v8/tfjs_binding.node"));
  const backend = new NodeJSKernelBackend(binding, name);
  tf.registerBackend("tensorflow", () => backend, 3);
  if (ours) replaceKernels(backend as unknown as NodeBackend);
  return { backendName: "tensorflow", isDataSync: true };
};
