// The wasm device: tfjs's backend, with one kernel replaced. tfjs 4.22 copies memory in `clone` on wasm, where every other
// backend shares it; autograd clones all that it saves, so weights would be held twice and `rebind` could not let go of them.
import { registerKernel, type TensorInfo, unregisterKernel } from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";

interface Counting {
  incRef(dataId: object): void;
}

function share(x: TensorInfo, backend: unknown): TensorInfo {
  (backend as Counting).incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** Makes `clone` share memory, as `reshape` does. Calling it again does nothing more. */
export function shareClones(): void {
  unregisterKernel("Identity", "wasm");
  registerKernel({
    kernelName: "Identity",
    backendName: "wasm",
    kernelFunc: ({ inputs, backend }) => share(inputs.x!, backend),
  });
}
