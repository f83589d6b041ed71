// How a kernel of this package is written, and how it becomes one of tfjs's.
import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";

/** tfjs's name of this package's backend. */
export const backendName = "cuda";

/** Attributes of a call, as the kernel knows them. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Inputs of a call by name. */
export type Inputs = Readonly<Record<string, TensorInfo>>;

/** Computes a kernel's outputs: new data, or shares of what its inputs have. */
export type Compute = (b: CudaBackend, inputs: Inputs, attributes: Attributes) => TensorInfo | TensorInfo[];

/** Kernels by tfjs's names. */
export type Table = Readonly<Record<string, Compute>>;

export const toConfigs = (table: Table): KernelConfig[] =>
  Object.entries(table).map(([kernelName, compute]) => ({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) =>
      compute(
        backend as CudaBackend,
        inputs as NamedTensorInfoMap as Inputs,
        (attrs ?? {}) as NamedAttrMap as Attributes,
      ),
  }));
