// `orthant export` and `orthant import`: a checkpoint as one file of weights, and back. Reads words, calls core, says what was done.
import { exportCheckpoint, importWeights } from "@orthant/core";
import { type Result, UsageError } from "./result.ts";

type Pair = readonly [from: string, to: string];

function pairOf(command: string, words: readonly string[], example: string): Pair {
  const option = words.find((word) => word.startsWith("-"));
  if (option !== undefined)
    throw new UsageError(`orthant ${command} has no option ${option}; orthant --help lists what there is`);
  if (words.length === 2) return words as unknown as Pair;
  throw new UsageError(`orthant ${command} takes two paths, such as: orthant ${command} ${example}`);
}

/** Merges a checkpoint into one file. */
export async function exportCommand(words: readonly string[]): Promise<Result> {
  const [path, file] = pairOf("export", words, "runs/first-try model.safetensors");
  const count = await exportCheckpoint(path, file);
  return { code: 0, text: `${file}: ${count} tensors of ${path}` };
}

/** Makes a checkpoint of a file. */
export async function importCommand(words: readonly string[]): Promise<Result> {
  const [file, folder] = pairOf("import", words, "model.safetensors runs/imported");
  const count = await importWeights(file, folder);
  return {
    code: 0,
    text: `${folder}: ${count} tensors of ${file}; train from them with resume: ${JSON.stringify(folder)}`,
  };
}
