// Kernels that this package does not have run on tfjs's cpu backend: their inputs are read, their outputs written. Slow and right;
// docs/cuda.md lists what runs so.
import {
  type DataId,
  type DataType,
  engine,
  getKernelsForBackend,
  type KernelBackend,
  type KernelConfig,
  type TensorInfo,
} from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { backendName } from "./table.ts";

type Values = Parameters<KernelBackend["write"]>[0];

/** tfjs's cpu backend, as far as is used here. */
interface Host extends KernelBackend {
  readonly data: {
    get(dataId: DataId): { values?: Values; complexTensorInfos?: { real: TensorInfo; imag: TensorInfo } };
  };
}

function toHost(b: CudaBackend, host: Host, x: TensorInfo): TensorInfo {
  const { complex } = b.entry(x.dataId);
  const values = complex ? undefined : (b.readSync(x.dataId) as Values);
  if (values) return { ...x, dataId: host.write(values, x.shape, x.dtype) };
  const dataId = host.write(null as never, x.shape, "complex64");
  const [real, imag] = [toHost(b, host, complex!.real), toHost(b, host, complex!.imag)];
  host.data.get(dataId).complexTensorInfos = { real, imag };
  return { ...x, dataId };
}

function toDevice(b: CudaBackend, host: Host, y: TensorInfo): TensorInfo {
  const { values, complexTensorInfos } = host.data.get(y.dataId);
  if (complexTensorInfos)
    return {
      ...b.complex(toDevice(b, host, complexTensorInfos.real), toDevice(b, host, complexTensorInfos.imag)),
      shape: y.shape,
    };
  return { ...y, dataId: b.write(values!, y.shape, y.dtype as DataType) };
}

/** A kernel that has the cpu backend's do the work. */
function through({ kernelName, kernelFunc }: KernelConfig): KernelConfig {
  const run: KernelConfig["kernelFunc"] = ({ inputs, attrs, backend }) => {
    const [b, host] = [backend as CudaBackend, engine().findBackend("cpu") as Host];
    const given = Object.entries(inputs).map(([name, x]) => [name, x && toHost(b, host, x)] as const);
    const found = kernelFunc({ inputs: Object.fromEntries(given), attrs: attrs!, backend: host });
    const outputs = [found].flat().map((y) => toDevice(b, host, y));
    for (const { dataId } of [...given.flatMap(([, x]) => x ?? []), ...[found].flat()]) host.disposeData(dataId);
    return Array.isArray(found) ? outputs : outputs[0]!;
  };
  return { kernelName, backendName, kernelFunc: run };
}

/** Kernels of the cpu backend beyond `own`, wrapped. */
export const fallbacks = (own: readonly KernelConfig[]): KernelConfig[] => {
  const names = new Set(own.map(({ kernelName }) => kernelName));
  return getKernelsForBackend("cpu")
    .filter(({ kernelName }) => !names.has(kernelName))
    .map(through);
};
