// Kernels that this package does not have run on tfjs's cpu backend: their inputs are read, their outputs written. Slow and right;
// docs/cuda.md lists what runs so.
import {
  type DataId,
  type DataType,
  engine,
  getKernel,
  getKernelsForBackend,
  type KernelBackend,
  type KernelConfig,
  type NamedTensorInfoMap,
  type TensorInfo,
  util,
} from "@tensorflow/tfjs";
import type { CudaBackend } from "../../backend/backend.ts";
import { backendName } from "../table.ts";

type Values = Parameters<KernelBackend["write"]>[0];

/** tfjs's cpu backend, as far as is used here. */
interface Host extends KernelBackend {
  readonly data: {
    get(dataId: DataId): { values?: Values; complexTensorInfos?: { real: TensorInfo; imag: TensorInfo } };
  };
}

/** Some of the cpu backend's kernels ask a tensor for its rank and size. */
const described = (x: TensorInfo, dataId: DataId): TensorInfo => {
  const { shape, dtype } = x;
  return { dataId, shape, dtype, rank: shape.length, size: util.sizeFromShape(shape) } as TensorInfo;
};

function toHost(b: CudaBackend, host: Host, x: TensorInfo): TensorInfo {
  const { complex } = b.entry(x.dataId);
  const values = complex ? undefined : (b.readSync(x.dataId) as Values);
  if (values) return described(x, host.write(values, x.shape, x.dtype));
  const dataId = host.write(null as never, x.shape, "complex64");
  const [real, imag] = [toHost(b, host, complex!.real), toHost(b, host, complex!.imag)];
  host.data.get(dataId).complexTensorInfos = { real, imag };
  return described(x, dataId);
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

/** Inputs of a kernel with every tensor replaced: they are an object or a list, and may hold lists. */
function onHost(inputs: unknown, move: (x: TensorInfo) => TensorInfo): unknown {
  if (!inputs) return inputs;
  if (Array.isArray(inputs)) return inputs.map((x) => onHost(x, move));
  if ("dataId" in (inputs as object)) return move(inputs as TensorInfo);
  return Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, onHost(x, move)]));
}

/** A kernel that has the cpu backend's do the work. */
export function through({ kernelName, kernelFunc }: KernelConfig): KernelConfig {
  const run: KernelConfig["kernelFunc"] = ({ inputs, attrs, backend }) => {
    const [b, host] = [backend as CudaBackend, engine().findBackend("cpu") as Host];
    const made: TensorInfo[] = [];
    const given = onHost(inputs, (x) => {
      made.push(toHost(b, host, x));
      return made.at(-1)!;
    });
    const found = kernelFunc({ inputs: given as NamedTensorInfoMap, attrs: attrs!, backend: host });
    const outputs = [found].flat().map((y) => toDevice(b, host, y));
    for (const { dataId } of [...made, ...[found].flat()]) host.disposeData(dataId);
    return Array.isArray(found) ? outputs : outputs[0]!;
  };
  return { kernelName, backendName, kernelFunc: run };
}

/** Kernels that take complex numbers and strings as they come, for they look at no element. */
const blind = new Set(["Cast", "ExpandDims", "Fill", "Identity", "OnesLike", "Reshape", "ZerosLike"]);

const odd = (x: TensorInfo): boolean => x.dtype === "complex64" || x.dtype === "string";

/** The same kernel, but that complex numbers and strings go to the cpu backend's of its name. */
export function withHost(own: KernelConfig): KernelConfig {
  const stock = blind.has(own.kernelName) ? undefined : getKernel(own.kernelName, "cpu");
  if (!stock) return own;
  const host = through(stock).kernelFunc;
  const run: KernelConfig["kernelFunc"] = (call) => {
    for (const name in call.inputs) {
      const x = call.inputs[name];
      if (x && odd(x)) return host(call);
    }
    return own.kernelFunc(call);
  };
  return { ...own, kernelFunc: run };
}

/** Kernels of the cpu backend beyond `own`, wrapped. */
export const fallbacks = (own: readonly KernelConfig[]): KernelConfig[] => {
  const names = new Set(own.map(({ kernelName }) => kernelName));
  return getKernelsForBackend("cpu")
    .filter(({ kernelName }) => !names.has(kernelName))
    .map(through);
};
