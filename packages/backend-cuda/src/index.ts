// A tfjs backend for NVIDIA GPUs. Importing this registers "cuda" with tfjs; nothing is loaded until it is asked for.
import * as tf from "@tensorflow/tfjs";
import { cudaBackend, registerKernels } from "./device.ts";

export { CudaBackend, type Precision, type Residual } from "./backend/backend.ts";
export { type CudaOptions, cuda } from "./device.ts";

// Priority 0: where there is no GPU, tfjs goes on choosing among its own.
if (!tf.findBackendFactory("cuda")) tf.registerBackend("cuda", () => cudaBackend(), 0);
registerKernels();
