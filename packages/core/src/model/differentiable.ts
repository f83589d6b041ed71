// A function with gradients written by hand: tfjs's `customGrad`, but each gradient is computed only where it is wanted.
import * as tf from "@tensorflow/tfjs";
import { view } from "../devices/view.ts";

/** Gives one gradient, as a new tensor. */
type Gradient = () => tf.Tensor;

/** Gives a function that computes tensors when it is first called, and frees them with what was saved. */
type Once = (make: () => tf.Tensor[]) => () => tf.Tensor[];

export interface Differentiable {
  /** What gradients are taken of, in the order of those of `backward`. */
  readonly inputs: readonly tf.Tensor[];
  /** `save` keeps tensors for `shared` and `backward`: inputs themselves, reshapes of them, or new ones. Call it once. */
  readonly forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor;
  /** Computes what several gradients need, once, from the output's gradient and what was saved: new tensors, kept as it is. */
  readonly shared?: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
  /**
   * Gives one function an input; those whose gradient is wanted are called, now or in a later half of the backward. `once` is for
   * what some of them have in common and others do not need.
   */
  readonly backward: (dy: tf.Tensor, saved: tf.Tensor[], shared: tf.Tensor[], once: Once) => Gradient[];
}

/** The part of tfjs 4's engine that `tf.customGrad` uses itself. */
interface Engine {
  runKernelFunc(kernel: {
    readonly inputs: tf.NamedTensorMap;
    readonly forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor;
    readonly backwardsFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => Record<string, Gradient>;
  }): tf.Tensor;
}

const byPlace = <T>(items: readonly T[]): Record<string, T> => Object.fromEntries(items.entries());

const onceInto =
  (saved: tf.Tensor[]): Once =>
  (make) => {
    let made: tf.Tensor[] | undefined;
    return () => {
      if (made) return made;
      made = tf.tidy(make);
      for (const x of made) saved.push(tf.keep(x));
      return made;
    };
  };

/** tfjs clones each tensor that is saved, as an operation, by `map`: here that gives views instead. */
const asViews = (tensors: tf.Tensor[]): tf.Tensor[] =>
  Object.assign([...tensors], { map: () => tensors.map((x) => tf.keep(view(x))) as never });

/**
 * Runs `forward` now; whoever holds the tape asks for gradients. Tensors made on the way are freed. What is shared joins what is
 * saved, and is freed with it.
 */
export function differentiable({ inputs, forward, shared = () => [], backward }: Differentiable): tf.Tensor {
  const engine = tf.engine() as unknown as Engine;
  let count = 0;
  return engine.runKernelFunc({
    inputs: byPlace(inputs),
    forwardFunc: (_, save) =>
      forward((tensors) => {
        count = tensors.length;
        save(asViews(tensors));
      }),
    backwardsFunc(dy, saved) {
      if (saved.length === count) for (const x of tf.tidy(() => shared(dy, saved))) saved.push(tf.keep(x));
      return byPlace(backward(dy, saved.slice(0, count), saved.slice(count), onceInto(saved)));
    },
  });
}
