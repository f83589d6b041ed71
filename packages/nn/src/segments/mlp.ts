// The transformer's two-layer perceptron with gelu, without the output bias and the residual: where F is cut over
// ranks the output is this rank's partial sum (Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, F hidden width held here

import { differentiable, elements, kernels, type Segment, segment, view } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";
import { multiply, rows } from "./matrices.ts";

const { columnSums, geluProductGrad, mlpGrad } = kernels;

/** Keeps what goes into gelu, or what the device keeps instead. Gradients share the hidden layer and its gradient. */
function run([up_DF, bias_F, down_FD]: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const inputs = [up_DF, bias_F, down_FD, x_BTD] as tf.Tensor[];
  return differentiable({
    inputs,
    forward: (save) => {
      const [y_ND, kept_NF] = kernels.mlp({ x: rows(x_BTD), up: up_DF!, bias: bias_F!, down: down_FD! });
      save([up_DF!, down_FD!, x_BTD, kept_NF]);
      return view(y_ND, x_BTD.shape);
    },
    shared: (dy_BTD, [, down, , kept]) => geluProductGrad({ dy: rows(dy_BTD), w: down!, kept: kept! }),
    backward: (dy_BTD, [up, , x], [active_NF, dhidden_NF]) => [
      () => multiply(rows(x!), dhidden_NF!, true),
      () => columnSums({ x: dhidden_NF! }),
      () => multiply(active_NF!, rows(dy_BTD), true),
      () => view(multiply(dhidden_NF!, up!, false, true), x_BTD.shape),
    ],
    together: (dy_BTD, [up, down, x, kept]) => {
      const dys = mlpGrad({ dy: rows(dy_BTD), x: rows(x!), up: up!, down: down!, kept: kept! });
      return [...dys.slice(0, 3), view(dys[3], x_BTD.shape)];
    },
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
