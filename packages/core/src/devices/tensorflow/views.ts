// Data under several shapes on tfjs-node's backend: a reshape counts one reference more, and TensorFlow sees the other shape only where
// an operation asks for it. What tfjs-node does instead is an operation of TensorFlow's, some hundred times a step.
import * as tf from "@tensorflow/tfjs";
import type { NodeBackend } from "./session.ts";

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** Handles of the same data under shapes that are not its own, by shape. */
type Handles = Map<string, number>;

const attributes = ({ binding }: NodeBackend, dtype: number) => [
  { name: "T", type: binding.TF_ATTR_TYPE, value: dtype },
  { name: "Tshape", type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
];

function reshaped(backend: NodeBackend, id: number, dtype: number, shape: readonly number[]): number {
  const { binding } = backend;
  const sizes = binding.createTensor([shape.length], binding.TF_INT32, Int32Array.from(shape));
  const [made] = binding.executeOp("Reshape", attributes(backend, dtype), [id, sizes], 1);
  binding.deleteTensor(sizes);
  return made!.id;
}

/** Teaches a backend that tensors of one data may differ in shape. False where it was taught before. */
export function shareViews(backend: NodeBackend): boolean {
  if (Object.hasOwn(backend, "getInputTensorIds")) return false;
  const handles = new WeakMap<object, Handles>();
  const { getInputTensorIds, disposeData } = backend;
  const idOf = (x: tf.TensorInfo, id: number): number => {
    const own = backend.tensorMap.get(x.dataId);
    if (!own || sameShape(own.shape, x.shape)) return id; // an int64 number is no tensor of tfjs
    const known = handles.get(x.dataId) ?? new Map<string, number>();
    handles.set(x.dataId, known);
    const key = `${x.shape}`;
    const found = known.get(key) ?? reshaped(backend, id, own.dtype, x.shape);
    known.set(key, found);
    return found;
  };
  backend.getInputTensorIds = (xs) => getInputTensorIds.call(backend, xs).map((id, i) => idOf(xs[i]!, id));
  backend.disposeData = (data, force) => {
    const gone = disposeData.call(backend, data, force);
    if (!gone) return false;
    for (const id of handles.get(data)?.values() ?? []) backend.binding.deleteTensor(id);
    handles.delete(data);
    return true;
  };
  return true;
}

/** tfjs's own Reshape, where `shareViews` was called. */
export const reshape: tf.KernelConfig = {
  kernelName: tf.Reshape,
  backendName: "tensorflow",
  kernelFunc({ inputs, attrs, backend }) {
    const x = inputs.x as tf.Tensor;
    const shape = tf.util.inferFromImplicitShape(attrs!.shape as number[], x.size);
    if (tf.util.sizeFromShape(shape) !== x.size)
      throw new Error(
        `The new shape [${shape}] has ${tf.util.sizeFromShape(shape)} elements, the old [${x.shape}] ${x.size}`,
      );
    (backend as tf.KernelBackend).incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  },
};
