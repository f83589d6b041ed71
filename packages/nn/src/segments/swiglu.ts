// Llama's perceptron: a gate of silu times a linear layer, and a linear layer back (Shazeer 2020), without biases and the
// residual: where F is cut over ranks the output is this rank's partial sum (Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, F hidden width held here

import { differentiable, elements, kernels, type Segment, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

/** Keeps both hidden layers; their product is cheaper to run again than to hold. */
function run([gate_DF, up_DF, down_FD]: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const inputs = [gate_DF, up_DF, down_FD, x_BTD] as tf.Tensor[];
  return differentiable({
    inputs,
    forward: (save) => {
      const [gate, up] = [tf.matMul(rows(x_BTD), gate_DF!), tf.matMul(rows(x_BTD), up_DF!)];
      save([...inputs, gate, up]);
      return tf.matMul(kernels.swiglu({ gate, up }), down_FD!).reshape(x_BTD.shape);
    },
    shared: (dy_BTD, [, , down, , gate, up]) =>
      kernels.swigluGrad({ gate: gate!, up: up!, dy: tf.matMul(rows(dy_BTD), down!, false, true) }),
    backward: (dy_BTD, [gate, up, , x], [active_NF, dgate_NF, dup_NF]) => [
      () => tf.matMul(rows(x!), dgate_NF!, true),
      () => tf.matMul(rows(x!), dup_NF!, true),
      () => tf.matMul(active_NF!, rows(dy_BTD), true),
      () => tf.add(tf.matMul(dgate_NF!, gate!, false, true), tf.matMul(dup_NF!, up!, false, true)).reshape(x!.shape),
    ],
  });
}

/** `x [B, T, D] -> [B, T, D]`, to be summed over ranks: `(silu(x gate) (x up)) down`. Weights gate and up `[D, F]`, down `[F, D]`. */
export const swiglu: Segment<{ tp: "R" }, { tp: "P" }> = segment({
  name: "swiglu",
  from: { tp: "R" },
  to: { tp: "P" },
  params: ["gate", "up", "down"],
  run: (params, x) => run(params, x!),
  shape: ([gate = []], x = []) => {
    const [D, F] = gate as [number, number];
    const N = elements(x) / D;
    return { shape: x, flops: 6 * N * D * F, kept: 2 * N * F };
  },
});
