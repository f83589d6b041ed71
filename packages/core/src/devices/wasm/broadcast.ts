// A row added to every row of a tensor: tfjs's wasm backend broadcasts at a twentieth of the speed at which it adds.
import type * as tf from "@tensorflow/tfjs";
import { allocate, floats, onWasm } from "./heap.ts";

/** `x [.., D] + row [D]`. */
export function addRow(x: tf.Tensor, row_D: tf.Tensor): tf.Tensor {
  if (!onWasm()) return x.add(row_D);
  const y = allocate(x.shape);
  const [to, from, row] = [floats(y), floats(x), floats(row_D)];
  const D = row.length;
  for (let at = 0; at < to.length; at += D) {
    for (let d = 0; d < D; d++) to[at + d] = from[at + d]! + row[d]!;
  }
  return y;
}
