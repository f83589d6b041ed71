// A kernel by name, through tfjs's own registry: a backend that has a faster one registers it under the same name with
// `tf.registerKernel`, and where it has none the reference in tfjs operations runs. Nobody asks which backend it is.
import * as tf from "@tensorflow/tfjs";

/** A tensor function that a device may do better: call it with its inputs by name, then its constants. */
export interface Kernel<Inputs extends object, Output extends tf.Tensor | tf.Tensor[], Attrs = void> {
  /** Runs the current backend's kernel of this name, else the reference. No gradient: `differentiable` gives one. */
  (inputs: Inputs, attrs: Attrs): Output;
  /** Name under which a backend registers its own: `orthant.layerNorm`. */
  readonly kernelName: string;
  /** Tells whether the current backend has a kernel of this name. */
  own(): boolean;
  /** The same in tfjs operations, on any backend: what another kernel of this name is tested against. */
  readonly reference: (inputs: Inputs, attrs: Attrs) => Output;
}

/** What of tfjs 4's engine a kernel that has no gradient needs: the rest of `runKernel` is for the tape and for profiles. */
interface Engine {
  isTapeOn(): boolean;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
  readonly state: { readonly profiling: boolean };
  runKernel(name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor | tf.Tensor[];
}

type Given = Readonly<Record<string, tf.Tensor | undefined>>;

/** The inputs that are there. */
function given(inputs: object): tf.NamedTensorMap {
  if (Array.isArray(inputs)) return inputs as unknown as tf.NamedTensorMap; // of many tensors, all there
  const all = inputs as Given;
  for (const name in all)
    if (all[name] === undefined)
      return Object.fromEntries(Object.entries(all).filter(([, x]) => x)) as tf.NamedTensorMap;
  return all as tf.NamedTensorMap;
}

const isTensor = (x: tf.TensorInfo): x is tf.Tensor => (x as tf.Tensor).rank !== undefined;

function runOwn({ kernelName, kernelFunc }: tf.KernelConfig, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap) {
  const engine = tf.engine() as unknown as Engine;
  if (engine.isTapeOn() || engine.state.profiling) return engine.runKernel(kernelName, inputs, attrs);
  const found = kernelFunc({ inputs, attrs, backend: tf.backend() });
  const toTensor = (x: tf.TensorInfo) => (isTensor(x) ? x : engine.makeTensorFromTensorInfo(x));
  return Array.isArray(found) ? found.map(toTensor) : toTensor(found);
}

/** Declares a kernel by its name and its reference, whose intermediate tensors are freed. */
export function kernel<Inputs extends object, Output extends tf.Tensor | tf.Tensor[], Attrs = void>(
  kernelName: string,
  reference: (inputs: Inputs, attrs: Attrs) => Output,
): Kernel<Inputs, Output, Attrs> {
  const find = () => tf.getKernel(kernelName, tf.getBackend()) as tf.KernelConfig | undefined;
  const own = (): boolean => find() !== undefined;
  const run = (inputs: Inputs, attrs: Attrs): Output => {
    const found = find();
    if (!found) return tf.tidy(() => reference(inputs, attrs));
    return runOwn(found, given(inputs), (attrs ?? {}) as tf.NamedAttrMap) as Output;
  };
  return Object.assign(run, { kernelName, own, reference });
}
