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

const given = (inputs: object): tf.NamedTensorMap =>
  Object.fromEntries(Object.entries(inputs).filter(([, x]) => x !== undefined));

/** Declares a kernel by its name and its reference, whose intermediate tensors are freed. */
export function kernel<Inputs extends object, Output extends tf.Tensor | tf.Tensor[], Attrs = void>(
  kernelName: string,
  reference: (inputs: Inputs, attrs: Attrs) => Output,
): Kernel<Inputs, Output, Attrs> {
  const own = (): boolean => tf.getKernel(kernelName, tf.getBackend()) != null;
  const run = (inputs: Inputs, attrs: Attrs): Output =>
    own()
      ? tf.engine().runKernel(kernelName, given(inputs), (attrs ?? {}) as tf.NamedAttrMap)
      : tf.tidy(() => reference(inputs, attrs));
  return Object.assign(run, { kernelName, own, reference });
}
