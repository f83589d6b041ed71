// The wasm device: tfjs's WebAssembly backend with this folder's kernels. The default, for it runs everywhere.
import type { Device } from "../device.ts";
import { useFastGradients } from "./gradients.ts";
import { floats, heapBytes } from "./heap.ts";
import { watchMemory } from "./memory.ts";

export const wasm: Device = {
  name: "wasm",
  precisions: ["fp32"],
  async start() {
    await import("@tensorflow/tfjs-backend-wasm");
    watchMemory();
    useFastGradients();
    return {
      backend: "wasm",
      views: true,
      copiesVectors: true,
      bytesHeld: heapBytes,
      read: (x, into) => into.set(floats(x)),
    };
  },
};
