// A function with gradients written by hand: tfjs's `customGrad`, but each gradient is computed only where it is wanted.
import * as tf from "@tensorflow/tfjs";
import { view } from "../devices/view.ts";

/** Gives one gradient, as a new tensor. */
type Gradient = () => tf.Tensor;

/** Gives a function that computes tensors when it is first called, and frees them with what was saved. */
type Once = (make: () => tf.Tensor[]) => () => tf.Tensor[];

/** Function of tensors whose gradient is written out by hand. */
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
  /** Gives all gradients together, in the same order, where all are wanted at once: for what a device does better in one call. */
  readonly together?: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
}

/** The part of tfjs 4's engine that `tf.customGrad` uses itself: what that adds costs more than a small kernel. */
interface Engine {
  isTapeOn(): boolean;
  readonly state: { kernelDepth: number; nextTapeNodeId: number; readonly activeTape: Recording };
}

/** tfjs's tape. Where it says what it records a function of, operations save these tensors as they are, and the recorder takes them out. */
export type Recording = object[] & { lent?: readonly tf.Tensor[] };

/** Items by their places: what tfjs asks of a record, a list has too. */
const byPlace = <T>(items: readonly T[]): Record<string, T> => items as unknown as Record<string, T>;

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

/** Runs `work`, whose operations are not recorded. */
function unrecorded<T>({ state }: Engine, work: () => T): T {
  state.kernelDepth++;
  try {
    return work();
  } finally {
    state.kernelDepth--;
  }
}

/**
 * Runs `forward` now; whoever holds the tape asks for gradients. Tensors made on the way are freed. What is shared joins what is
 * saved, and is freed with it.
 */
export function differentiable({ inputs, forward, shared, backward, together }: Differentiable): tf.Tensor {
  const engine = tf.engine() as unknown as Engine;
  const tape = engine.isTapeOn() ? engine.state.activeTape : undefined;
  const saved: tf.Tensor[] = [];
  const save = (tensors: tf.Tensor[]): void => {
    if (tape) for (const x of tensors) saved.push(tape.lent?.includes(x) ? x : tf.keep(view(x)));
  };
  const y = unrecorded(engine, () => tf.tidy(() => forward(save)));
  const count = saved.length;
  const gradient = ([dy]: [tf.Tensor], all = false): Record<string, Gradient> => {
    if (all && together) return byPlace(together(dy, saved).map((dx) => () => dx));
    if (shared && saved.length === count) for (const x of tf.tidy(() => shared(dy, saved))) saved.push(tf.keep(x));
    return byPlace(backward(dy, saved.slice(0, count), saved.slice(count), onceInto(saved)));
  };
  const kernelName = "differentiable";
  tape?.push({ id: engine.state.nextTapeNodeId++, kernelName, inputs: byPlace(inputs), outputs: [y], saved, gradient });
  return y;
}
