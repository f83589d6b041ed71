// Every segment of this package, as a flat list of names.
export { add } from "./add.ts";
export { attention, attentionWithoutBias } from "./attention.ts";
export { crossEntropy } from "./cross-entropy.ts";
export { dropout } from "./dropout.ts";
export { embedding } from "./embedding.ts";
export { groupedAttention } from "./grouped-attention.ts";
export { linear, linearWithoutBias } from "./linear.ts";
export { mlp } from "./mlp.ts";
export { layerNorm, layerNormWith, rmsNorm, rmsNormWith } from "./norm.ts";
export { residual } from "./residual.ts";
export { frequenciesOf, type Rotary, type RotaryScaling } from "./rotary.ts";
export { squaredError } from "./squared-error.ts";
export { swiglu } from "./swiglu.ts";
export { tokenEmbedding, unembedding } from "./tokens.ts";
