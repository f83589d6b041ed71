// `orthant export` and `orthant import`: a checkpoint as one file of weights or as a folder of Hugging Face's, and back. Reads words,
// calls the library, says what was done.
import { type AnyModel, exportCheckpoint, importWeights } from "@orthant/core";
import { importTensors, openParameters } from "@orthant/core/internal";
import { fromHuggingFace, type LanguageModel, toHuggingFace } from "@orthant/nn";
import { type Result, UsageError } from "./result.ts";
import { trainOptionsOf } from "./script.ts";

const FORM = "huggingface";
const counts = ["no path", "one path", "two paths", "three paths"];

/** Takes `option huggingface` out of the words; `plain` where it is not there. Throws where the paths are not as many as the example's. */
function pathsOf(
  command: string,
  [option, ...words]: readonly [option: string, ...words: string[]],
  examples: { readonly plain: string; readonly foreign: string },
): { readonly foreign: boolean; readonly paths: readonly string[] } {
  const at = words.indexOf(option);
  const foreign = at >= 0;
  if (foreign && words[at + 1] !== FORM)
    throw new UsageError(`orthant ${command} ${option} takes ${FORM}, not ${words[at + 1] ?? "nothing"}`);
  const paths = foreign ? words.toSpliced(at, 2) : words;
  const odd = paths.find((word) => word.startsWith("-"));
  if (odd !== undefined)
    throw new UsageError(`orthant ${command} has no option ${odd}; orthant --help lists what there is`);
  const example = foreign ? `${option} ${FORM} ${examples.foreign}` : examples.plain;
  const wanted = (foreign ? examples.foreign : examples.plain).split(" ").length;
  if (paths.length !== wanted)
    throw new UsageError(`orthant ${command} takes ${counts[wanted]}, such as: orthant ${command} ${example}`);
  return { foreign, paths };
}

const isLanguageModel = (model: AnyModel): model is LanguageModel => "huggingFace" in model;

/** Heads and frequencies are in no checkpoint: the script that trained says what the model is. */
async function exportForeign(script: string, checkpoint: string, folder: string): Promise<Result> {
  const { model } = await trainOptionsOf(script, []);
  if (!isLanguageModel(model))
    throw new Error(`the model of ${script} is "${model.name}", and Hugging Face's form is known of gpt() and llama()`);
  const { tensors, close } = await openParameters(checkpoint);
  const values = new Map(tensors.map((tensor) => [tensor.name, tensor.values]));
  const read = { get: async (name: string) => values.get(name)?.() };
  const count = await toHuggingFace(model, read, folder).finally(close);
  return { code: 0, text: `${folder}: ${count} tensors of ${checkpoint}, and config.json` };
}

/** Merges a checkpoint into one file, or writes it as Hugging Face's transformers loads it. */
export async function exportCommand(words: readonly string[]): Promise<Result> {
  const { foreign, paths } = pathsOf("export", ["--to", ...words], {
    plain: "runs/first-try model.safetensors",
    foreign: "train.ts runs/first-try exported",
  });
  const [first, second, third] = paths as [string, string, string];
  if (foreign) return exportForeign(first, second, third);
  const count = await exportCheckpoint(first, second);
  return { code: 0, text: `${second}: ${count} tensors of ${first}` };
}

/** Makes a checkpoint of a file, or of a folder that Hugging Face's transformers saved. */
export async function importCommand(words: readonly string[]): Promise<Result> {
  const { foreign, paths } = pathsOf("import", ["--from", ...words], {
    plain: "model.safetensors runs/imported",
    foreign: "gpt2 runs/imported",
  });
  const [from, folder] = paths as [string, string];
  const count = foreign
    ? await importTensors(fromHuggingFace(from).parameters, folder)
    : await importWeights(from, folder);
  return {
    code: 0,
    text: `${folder}: ${count} tensors of ${from}; train from them with resume: ${JSON.stringify(folder)}`,
  };
}
