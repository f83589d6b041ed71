// A model that Hugging Face's transformers saved, as one of ours: its sizes from config.json, first values where they lie.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Layer, LayerParam, Shape, Weights } from "@orthant/core";
import { gpt } from "../models/gpt.ts";
import type { LanguageModel } from "../models/language.ts";
import { llama } from "../models/llama.ts";
import { Config } from "./config.ts";
import { type Located, locate, readStart, readTensor } from "./files.ts";
import { type HuggingFaceForm, type NamedForm, parameterIn } from "./form.ts";
import { gptOptions } from "./gpt.ts";
import { llamaOptions } from "./llama.ts";

/** Options of `fromHuggingFace()`. */
export interface FromHuggingFaceOptions {
  /** The mesh axis over which heads and hidden units may be cut, in the user's word; "tp" by default. */
  readonly axis?: string;
}

/** A parameter of ours and where its values are. */
export interface StoredParameter {
  readonly name: string;
  readonly shape: Shape;
  /** Reads the values, row-major. */
  values(): Float32Array;
}

/** A model read from a folder of Hugging Face, with its parameters still in the files. */
export interface HuggingFaceModel {
  /** Starts from the values of the files: each rank reads those of its own parameters, one at a time. */
  readonly model: LanguageModel;
  /** Parameters by our names, to be read one at a time. */
  readonly parameters: readonly StoredParameter[];
  /** Reads all of them, for `forward` and `sample`. */
  weights(): Weights;
}

const makers = {
  gpt2: (config: Config, axis: string) => gpt({ ...gptOptions(config), axis }),
  llama: (config: Config, axis: string) => llama({ ...llamaOptions(config), axis }),
};

function modelOf(folder: string, axis: string): LanguageModel {
  const file = join(folder, "config.json");
  const config = Config.parse(file, readFileSync(file, "utf8"));
  const kind = config.field("model_type");
  if (typeof kind === "string" && Object.hasOwn(makers, kind)) return makers[kind as keyof typeof makers](config, axis);
  throw config.wrong("model_type", `known are ${Object.keys(makers).join(", ")}`);
}

const show = (shape: Shape): string => `[${shape.join(", ")}]`;

/** The file's tensor for each that the model has. Throws, by name, where one is missing, has another shape, or is not the model's. */
function matched(folder: string, { tensors, prefix, beside }: HuggingFaceForm): Map<NamedForm, Located> {
  const rest = new Map(locate(folder));
  const found = new Map<NamedForm, Located>();
  for (const form of tensors) {
    const name = rest.has(form.name) || !form.name.startsWith(prefix) ? form.name : form.name.slice(prefix.length);
    const entry = rest.get(name);
    if (!entry) throw new Error(`${folder} has no tensor ${form.name}, which config.json's model has`);
    if (show(entry.shape) !== show(form.shape))
      throw new Error(`${entry.file}: tensor ${name} is ${show(entry.shape)}, and config.json's ${show(form.shape)}`);
    found.set(form, entry);
    rest.delete(name);
  }
  const odd = [...rest.values()].find(({ name }) => !beside.test(name));
  if (odd) throw new Error(`${odd.file} has tensor ${odd.name}, and config.json's model none`);
  return found;
}

/** Bytes of a tensor by which two files are told apart. */
const TOLD_BY = 4096;

const sumOf = (entry: Located, place: number): string =>
  createHash("sha256")
    .update(`${entry.name} ${entry.dtype} ${entry.shape} ${place} `)
    .update(readStart(entry, TOLD_BY))
    .digest("hex")
    .slice(0, 12);

interface Source extends StoredParameter {
  readonly sum: string;
}

function sourcesOf(files: ReadonlyMap<NamedForm, Located>, shapes: ReadonlyMap<string, Shape>): Map<string, Source> {
  const sources = [...files].flatMap(([form, entry]) =>
    form.of.map((name, place): Source => {
      const values = () => parameterIn(form, readTensor(entry), place);
      return { name, shape: shapes.get(name)!, sum: sumOf(entry, place), values };
    }),
  );
  return new Map(sources.map((source) => [source.name, source]));
}

/** A layer that starts from what was read. A tied parameter's value is that of its first use. */
const startingFrom = (layer: Layer, sources: ReadonlyMap<string, Source>): Layer => ({
  ...layer,
  params: layer.params.map((param): LayerParam => {
    const source = sources.get(`${layer.name}.${param.name}`);
    return source ? { ...param, init: { kind: "values", values: source.values, sum: source.sum } } : param;
  }),
});

/**
 * Reads a folder that `save_pretrained` wrote, of GPT-2 or Llama: config.json, and model.safetensors or the files that its index
 * names, in F32, F16, BF16 or F64. Dropout that config.json speaks of is not done. Throws, by file and name, where the model or a
 * tensor is none that `gpt` or `llama` has.
 */
export function fromHuggingFace(folder: string, { axis = "tp" }: FromHuggingFaceOptions = {}): HuggingFaceModel {
  const model = modelOf(folder, axis);
  const shapes = new Map(
    model.layers.flatMap(({ name, params }) => params.map((param) => [`${name}.${param.name}`, param.shape] as const)),
  );
  const sources = sourcesOf(matched(folder, model.huggingFace), shapes);
  return {
    model: { ...model, layers: model.layers.map((layer) => startingFrom(layer, sources)) },
    parameters: [...sources.values()],
    weights: () => new Map([...sources].map(([name, { values }]) => [name, values()])),
  };
}
