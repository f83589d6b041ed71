// The kernels that segments and optimizers call by name. A backend that has one of these does better than the reference.
export { type AdamwInputs, type AdamwStep, adamw } from "./adamw.ts";
export { type AttentionGradInputs, attention, attentionGrad, causalSoftmax, causalSoftmaxGrad } from "./attention.ts";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy.ts";
export { gelu, geluGrad } from "./gelu.ts";
export { type Kernel, kernel } from "./kernel.ts";
export { layerNorm, layerNormGrad, type Norm } from "./norm.ts";
export { type Rotation, rotary } from "./rotary.ts";
export { addRow, columnSums, oneHot, pickRows, sumIntoRows } from "./rows.ts";
export { sumOfSquares } from "./squares.ts";
export { type Gated, swiglu, swigluGrad } from "./swiglu.ts";
