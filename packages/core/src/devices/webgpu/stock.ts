// tfjs 4's WebGPU backend as this folder uses it, private methods among it, and what kernels are handed.
import type * as tf from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { Pool } from "./pool.ts";

/** Inputs of a kernel by name. */
export type Inputs = Readonly<Record<string, tf.TensorInfo>>;

/** Constants of tfjs's own kernels. */
export type Uniforms = readonly { readonly type: string; readonly data: readonly number[] }[];

interface Stored {
  /** What the elements are: a cast to float32 leaves whole numbers as they lie, and gives the tensor alone another type. */
  readonly dtype: tf.DataType;
  readonly shape: readonly number[];
  readonly resource?: GPUBuffer | null;
  values?: ArrayLike<number> | null;
}

/** Part of a buffer that a kernel sees. */
export interface Binding {
  readonly offset: number;
  readonly size: number;
  readonly buffer: GPUBuffer;
}

interface Stock extends tf.KernelBackend {
  readonly device: GPUDevice;
  bufferManager: Pool;
  readonly tensorMap: { get(id: object): Stored };
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  readonly uniformPendingDisposal: GPUBuffer[];
  dispatchCountInPass: number;
  makeTensorInfo(shape: readonly number[], dtype: tf.DataType, values?: ArrayLike<number>): tf.TensorInfo;
  uploadToGPU(id: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  makeUniforms(given: Uniforms): Binding;
  recordAndSubmit(...given: unknown[]): void;
  read(id: object): Promise<Float32Array>;
}

export const StockBackend = WebGPUBackend as unknown as new (device: GPUDevice, info: GPUAdapterInfo) => Stock;
