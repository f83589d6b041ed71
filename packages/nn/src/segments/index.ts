// Every segment of this package, as a flat list of names.
export { attention, attentionWithoutBias } from "./attention.ts";
export { crossEntropy } from "./cross-entropy.ts";
export { dropout } from "./dropout.ts";
export { embedding } from "./embedding.ts";
export { linear, linearWithoutBias } from "./linear.ts";
export { mlp } from "./mlp.ts";
export { layerNorm, rmsNorm } from "./norm.ts";
export { residual } from "./residual.ts";
export { squaredError } from "./squared-error.ts";
