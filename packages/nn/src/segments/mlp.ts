// The transformer's two-layer perceptron with gelu, without the output bias and the residual: where F is cut over
// ranks the output is this rank's partial sum (Megatron-LM, Shoeybi et al. 2019).
// B batch, T time, N = B T, D model width, F hidden width held here

import { elements, type Segment, segment } from "@orthant/core";
import { columnSums, differentiable, gelu, geluAndGradient, product, rows, transposed } from "@orthant/core/internal";
import type * as tf from "@tensorflow/tfjs";

/** Keeps what goes into gelu; gelu itself is cheaper to run again than to hold. */
function run([up_DF, bias_F, down_FD]: readonly tf.Tensor[], x_BTD: tf.Tensor): tf.Tensor {
  const inputs = [up_DF, bias_F, down_FD, x_BTD] as tf.Tensor[];
  return differentiable({
    inputs,
    forward: (save) => {
      const hidden_NF = product(rows(x_BTD), up_DF!, bias_F);
      save([up_DF!, down_FD!, x_BTD, hidden_NF]);
      return product(gelu(hidden_NF), down_FD!).reshape(x_BTD.shape);
    },
    backward: (dy_BTD, [up, down, x, hidden]) => {
      const dy_ND = rows(dy_BTD);
      const dactive_NF = product(dy_ND, transposed(down!));
      const { y: active_NF, dx: dhidden_NF } = geluAndGradient(hidden!, dactive_NF);
      return [
        product(transposed(rows(x!)), dhidden_NF),
        columnSums(dhidden_NF),
        product(transposed(active_NF), dy_ND),
        product(dhidden_NF, transposed(up!)).reshape(x_BTD.shape),
      ];
    },
  });
}

/** `x [B, T, D] -> [B, T, D]`, to be summed over ranks. Weights up `[D, F]`, upBias `[F]`, down `[F, D]`. */
export const mlp: Segment<"R", "P"> = segment({
  name: "mlp",
  params: ["up", "upBias", "down"],
  reads: [true, false, true, true],
  run: (params, x) => run(params, x!),
  shape: ([up = []], x = []) => {
    const [D, F] = up as [number, number];
    const N = elements(x) / D;
    return { shape: x, flops: 4 * N * D * F, kept: N * F };
  },
});
