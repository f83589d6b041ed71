// tfjs-core's own specs for backends, on "cuda". Bundled by main.ts, so that specs and backend share one engine. The specs make
// and dispose of backends by the hundred: they share one card and its compiled kernels here.
import * as tf from "@tensorflow/tfjs";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util.js";
import { CudaBackend } from "../../src/backend/backend.ts";
import { registerKernels } from "../../src/device.ts";
import { openGpu } from "../../src/driver/cuda.ts";
import type { Gpu, Launch } from "../../src/driver/gpu.ts";
import { allocator } from "../../src/memory/allocator.ts";

/** A GPU that outlives its backends, and compiles a kernel once. */
function shared(gpu: Gpu): Gpu {
  const known = new Map<string, Launch>();
  const compile: Gpu["compile"] = (program) => {
    const found = known.get(program.name) ?? gpu.compile(program);
    known.set(program.name, found);
    return found;
  };
  return { ...gpu, compile, close: () => undefined };
}

const gpu = shared(openGpu({ compute: "fp32" }));
tf.registerBackend("cuda", () => new CudaBackend(gpu, allocator(gpu), "fp32"), 3);
registerKernels();
setTestEnvs([{ name: "cuda", backendName: "cuda", isDataSync: true }]);
