// The webgpu device: tfjs's WebGPU backend on a GPU device requested here, with this folder's kernels. Loaded when it is asked
// for: its packages are optional. Nothing can be read at once outside browsers: await `data()`.
import { engine, env, findBackendFactory, registerBackend, removeBackend } from "@tensorflow/tfjs";
import type { Active, Where } from "../device.ts";
import { Backend } from "./backend.ts";
import { requestGpu } from "./gpu.ts";
import { kernels } from "./table.ts";

/** tfjs submits after this many dispatches of its own kernels, 15 by default; a submission costs more than a dispatch. */
const batch = 64;

const name = "webgpu";

const running = (): Backend | undefined => {
  const found = engine().registry[name];
  return found instanceof Backend ? found : undefined;
};

/** Bytes that a rank may take of its GPU, as `ORTHANT_WEBGPU_BYTES` has it: WebGPU tells nobody how many there are. */
function bytesAllowed(): number {
  const given = process.env.ORTHANT_WEBGPU_BYTES;
  const bytes = Number(given ?? Number.POSITIVE_INFINITY);
  if (bytes > 0) return bytes;
  throw new Error(`device webgpu: ORTHANT_WEBGPU_BYTES is "${given}"; it must be a number of bytes, such as 8e9`);
}

async function newBackend(localRank: number): Promise<Backend> {
  const limit = bytesAllowed();
  const { device, info, which } = await requestGpu(localRank);
  return new Backend(device, info, limit, which);
}

/** Makes the backend of this thread, once. Throws where the runtime has no WebGPU or no adapter. */
async function backendHere(localRank: number): Promise<Backend> {
  const known = running();
  if (known) return known;
  const made = await newBackend(localRank);
  if (running()) return running()!; // another call was faster
  env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", batch);
  if (findBackendFactory(name)) removeBackend(name); // tfjs's own, which Deno refuses
  registerBackend(name, () => made);
  return made;
}

/** Starts the device in this thread. */
export async function startWebgpu({ localRank }: Where): Promise<Active> {
  const backend = await backendHere(localRank);
  return {
    backend: name,
    kernels: kernels(),
    bytesHeld: () => backend.bufferManager.numBytesUsed,
    readAll: (xs) => backend.readAll(xs),
    detail: backend.detail,
    gpu: !backend.software,
  };
}
