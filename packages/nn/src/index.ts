// Segments, models and data.
export { type ArraysOptions, arrays } from "./data/arrays.ts";
export { type TextOptions, text } from "./data/text.ts";
export type { LossName, LossSum } from "./layers/losses.ts";
export { type CarriedModel, type FromLayersOptions, fromLayersModel, toLayersModel } from "./layers/model.ts";
export { type GptOptions, gpt, type LanguageModel } from "./models/gpt.ts";
export { type MlpOptions, mlp } from "./models/mlp.ts";
export { type SampleOptions, sample } from "./sample.ts";
export * as segments from "./segments/index.ts";
