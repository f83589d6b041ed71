// A tensor's data under another shape, or once more under its own, at a fraction of what tfjs's reshape and clone cost: a step has
// thousands. Touches the engine's internals, as vjp.ts does.
import * as tf from "@tensorflow/tfjs";
import { activeDevice } from "./active.ts";

interface Engine {
  isTapeOn(): boolean;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
}

/** `x` reshaped to `shape`, of as many elements: a tensor of its own, which shares the data where its shape is that of `x`. */
export function view(x: tf.Tensor, shape?: readonly number[]): tf.Tensor {
  const engine = tf.engine() as unknown as Engine;
  if (engine.isTapeOn() || !activeDevice()?.views) return shape ? x.reshape([...shape]) : x.clone(); // tensorflow's reshape copies
  const { dataId, dtype } = x;
  tf.backend().incRef(dataId);
  return engine.makeTensorFromTensorInfo({ dataId, shape: (shape ?? x.shape) as number[], dtype });
}
