// A tfjs backend for NVIDIA GPUs. Importing this registers "cuda" with tfjs; nothing is loaded until it is asked for.
import * as tf from "@tensorflow/tfjs";
import { cudaBackend, registerKernels } from "./device.ts";

export { CudaBackend, type Precision } from "./backend/backend.ts";
export { type CudaOptions, cuda } from "./device.ts";

if (!tf.findBackendFactory("cuda")) tf.registerBackend("cuda", () => cudaBackend());
registerKernels();
