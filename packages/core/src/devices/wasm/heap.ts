// The wasm backend's heap, seen from TypeScript: elements read and written where they lie, without a copy.
// Not a backend: only what the loops beside this file need, and all of it only while tfjs runs on wasm.
import * as tf from "@tensorflow/tfjs";

/** The part of tfjs 4's `BackendWasm` that is used here. */
interface WasmBackend {
  readonly dataIdMap: { get(id: object): { readonly memoryOffset: number } };
  readonly wasm: {
    readonly HEAPF32: Float32Array;
    readonly HEAP32: Int32Array;
    cwrap(name: string, returns: null, takes: readonly ("number" | "array")[]): (...args: unknown[]) => void;
    readonly tfjs: { registerTensor(id: number, elements: number, at: number): void; disposeData(id: number): void };
  };
  /** The next free id: kernels know tensors by number. */
  dataIdNextNumber: number;
  makeOutput(shape: readonly number[], dtype: "float32" | "int32"): tf.TensorInfo;
}

const backend = (): WasmBackend => tf.backend() as unknown as WasmBackend;

/** Bytes of the heap, free room included. */
export const heapBytes = (): number => backend().wasm.HEAPF32.byteLength;

/** A float32 tensor whose elements are not yet written. */
export function allocate(shape: readonly number[]): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(backend().makeOutput([...shape], "float32"));
}

/** An int32 tensor whose elements are not yet written. */
export function allocateInts(shape: readonly number[]): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(backend().makeOutput([...shape], "int32"));
}

const indexOf = (x: tf.Tensor): number => backend().dataIdMap.get(x.dataId).memoryOffset / 4;

/** The elements of a float32 tensor. Valid until the next allocation, which may move the heap: allocate first. */
export function floats(x: tf.Tensor): Float32Array {
  const from = indexOf(x);
  return backend().wasm.HEAPF32.subarray(from, from + x.size);
}

/** The elements of an int32 tensor; valid as long as those of `floats`. */
export function ints(x: tf.Tensor): Int32Array {
  const from = indexOf(x);
  return backend().wasm.HEAP32.subarray(from, from + x.size);
}

/** One matrix of a batch, as a kernel knows it. */
function withMatrix(x: tf.Tensor, p: number, use: (id: number) => void): void {
  const { wasm } = backend();
  const size = x.shape.at(-1)! * x.shape.at(-2)!;
  const id = backend().dataIdNextNumber++;
  wasm.tfjs.registerTensor(id, size, (indexOf(x) + p * size) * 4);
  use(id);
  wasm.tfjs.disposeData(id);
}

const sizes = (x: tf.Tensor): Uint8Array => new Uint8Array(Int32Array.of(1, ...x.shape.slice(-2)).buffer);

/** `a_PMK b_PKN`, matrix by matrix where they lie: the kernel is six times faster on one than on a batch. */
export function multiplyEach(a_PMK: tf.Tensor, b_PKN: tf.Tensor): tf.Tensor {
  const [P, M] = a_PMK.shape as [number, number, number];
  const y_PMN = allocate([P, M, b_PKN.shape[2]!]);
  const [number, array] = ["number", "array"] as const;
  const multiply = backend().wasm.cwrap("BatchMatMul", null, [
    number,
    array,
    number,
    number,
    array,
    number,
    number,
    number,
    number,
  ]);
  const [aSizes, bSizes] = [sizes(a_PMK), sizes(b_PKN)];
  for (let p = 0; p < P; p++) {
    withMatrix(a_PMK, p, (a) => {
      withMatrix(b_PKN, p, (b) => withMatrix(y_PMN, p, (y) => multiply(a, aSizes, 3, b, bSizes, 3, 0, 0, y)));
    });
  }
  return y_PMN;
}
