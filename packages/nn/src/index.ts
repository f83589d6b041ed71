// Segments, models and data.
export { type ArraysOptions, arrays } from "./data/arrays.ts";
export { type CsvOptions, csv } from "./data/csv.ts";
export { type ImagesData, type ImagesOptions, images } from "./data/images.ts";
export { type JsonlOptions, jsonl } from "./data/jsonl.ts";
export type { Side, TensorSide } from "./data/sides.ts";
export {
  type Dataset,
  type Element,
  type Pass,
  type Sides,
  type StreamOptions,
  type StreamSource,
  stream,
} from "./data/stream.ts";
export { type TextOptions, text } from "./data/text.ts";
export { bytePair, type Tokenizer } from "./data/tokenizer.ts";
export { type TokensOptions, tokens } from "./data/tokens.ts";
export {
  type FromHuggingFaceOptions,
  fromHuggingFace,
  type HuggingFaceModel,
  type StoredParameter,
} from "./huggingface/from.ts";
export { toHuggingFace, type ValuesByName } from "./huggingface/to.ts";
export type { Cut, CutOptions } from "./layers/cut.ts";
export type { LossName, LossSum } from "./layers/losses.ts";
export { type CarriedModel, type FromLayersOptions, fromLayersModel, toLayersModel } from "./layers/model.ts";
export { gpt } from "./models/gpt.ts";
export type { LanguageModel } from "./models/language.ts";
export { llama } from "./models/llama.ts";
export { type MlpOptions, mlp } from "./models/mlp.ts";
export type { GptOptions, LlamaOptions } from "./models/options.ts";
export { type SampleOptions, sample } from "./sample.ts";
export * as segments from "./segments/index.ts";
