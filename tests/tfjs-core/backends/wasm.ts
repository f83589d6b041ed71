// tfjs's wasm backend for its own suite: with our kernels, or as it comes.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { useFastGradients } from "../../../packages/core/src/devices/wasm/gradients.ts";
import type { TestBackend } from "../backend.ts";

export const start: TestBackend = async (ours) => {
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  if (ours) useFastGradients();
  return { backendName: "wasm", isDataSync: true };
};
