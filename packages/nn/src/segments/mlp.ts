// The transformer's two-layer perceptron with gelu, without the output bias and the residual: where F is cut over
// ranks the output is this rank's partial sum (Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, F hidden width held here

import { differentiable, elements, kernels, type Segment, segment, view } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { rows } from "./matrices.ts";

const { columnSums, geluProduct, geluProductGrad } = kernels;

/** Keeps what goes into gelu, or what the device keeps instead. Gradients share the hidden layer and its gradient. */
function run([up_DF, bias_F, down_FD]: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const inputs = [up_DF, bias_F, down_FD, x_BTD] as tf.Tensor[];
  return differentiable({
    inputs,
    forward: (save) => {
      const [active_NF, kept_NF] = geluProduct({ x: rows(x_BTD), w: up_DF!, bias: bias_F! });
      save([up_DF!, down_FD!, x_BTD, kept_NF]);
      return view(tf.matMul(active_NF, down_FD!), x_BTD.shape);
    },
    shared: (dy_BTD, [, down, , kept]) => geluProductGrad({ dy: rows(dy_BTD), w: down!, kept: kept! }),
    backward: (dy_BTD, [up, , x], [active_NF, dhidden_NF]) => [
      () => tf.matMul(rows(x!), dhidden_NF!, true),
      () => columnSums({ x: dhidden_NF! }),
      () => tf.matMul(active_NF!, rows(dy_BTD), true),
      () => view(tf.matMul(dhidden_NF!, up!, false, true), x_BTD.shape),
    ],
  });
}

/** `x [B, T, D] -> [B, T, D]`, to be summed over ranks. Weights up `[D, F]`, upBias `[F]`, down `[F, D]`. */
export const mlp: Segment<{ tp: "R" }, { tp: "P" }> = segment({
  name: "mlp",
  from: { tp: "R" },
  to: { tp: "P" },
  params: ["up", "upBias", "down"],
  reads: [true, false, true, true],
  run: (params, x) => run(params, x!),
  shape: ([up = []], x = []) => {
    const [D, F] = up as [number, number];
    const N = elements(x) / D;
    return { shape: x, flops: 4 * N * D * F, kept: N * F };
  },
});
