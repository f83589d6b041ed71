// The kernels that segments and optimizers call by name. A backend that has one of these does better than the reference.
export { type AdamwAllStep, type AdamwInputs, type AdamwStep, adamw, adamwAll } from "./adamw.ts";
export { type AttentionGradInputs, attention, attentionGrad, causalSoftmax, causalSoftmaxGrad } from "./attention.ts";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy.ts";
export { gelu, geluGrad, geluProduct, geluProductGrad } from "./gelu.ts";
export { addGradient } from "./gradients.ts";
export { packedAttention, packedAttentionGrad } from "./heads.ts";
export { type Kernel, kernel } from "./kernel.ts";
export { mlp, mlpGrad } from "./mlp.ts";
export { layerNorm, layerNormGrad, type Norm } from "./norm.ts";
export { product } from "./product.ts";
export { type Rotation, rotary } from "./rotary.ts";
export { addBranch, addRow, columnSums, joinColumns, oneHot, pickRows, sumIntoRows } from "./rows.ts";
export {
  headGradients,
  joinedWeights,
  type SelfAttentionGradInputs,
  selfAttention,
  selfAttentionGrad,
} from "./self-attention.ts";
export { sumOfSquares, sumsOfSquares } from "./squares.ts";
export { type Gated, swiglu, swigluGrad } from "./swiglu.ts";
export { uniform } from "./uniform.ts";
