// What stands in the place of a kernel of tfjs's wasm backend. Types only.
import type * as tf from "@tensorflow/tfjs";

export type Result = ReturnType<tf.KernelFunc>;
export type Inputs = Record<string, tf.Tensor>;
export type Attrs = Record<string, unknown>;

/** Computes what the stock kernel would, or calls `stock` where that is as fast; with other inputs or constants if they are given. */
export type Replacement = (inputs: Inputs, attrs: Attrs, stock: (inputs?: Inputs, attrs?: Attrs) => Result) => Result;
