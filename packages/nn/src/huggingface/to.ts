// One of our language models as Hugging Face's transformers loads it: config.json and model.safetensors, a tensor at a time.
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { elements } from "@orthant/core";
import { encodeHeader } from "@orthant/core/internal";
import type { LanguageModel } from "../models/language.ts";
import { type NamedForm, tensorOf } from "./form.ts";

/** Values of whole parameters, row-major, now or later: the weights that `train` returns are such. */
export interface ValuesByName {
  /** Gives the values of a parameter by our name for it; undefined where there is none. */
  get(name: string): Float32Array | undefined | Promise<Float32Array | undefined>;
}

async function valuesOf(form: NamedForm, weights: ValuesByName): Promise<Float32Array> {
  const size = elements(form.shape);
  if (!form.of.length) return new Float32Array(size);
  const parameters: Float32Array[] = [];
  for (const name of form.of) {
    const values = await weights.get(name);
    if (values?.length !== size / form.of.length)
      throw new Error(
        `toHuggingFace: ${name} needs ${size / form.of.length} values; the weights have ${values?.length ?? "none"}`,
      );
    parameters.push(values);
  }
  return tensorOf(form, parameters);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
}

async function writeTensors(file: string, tensors: readonly NamedForm[], weights: ValuesByName): Promise<void> {
  const { bytes } = encodeHeader(
    tensors.map(({ name, shape }) => ({ name, shape, dtype: "F32" as const })),
    { format: "pt" },
  );
  const handle = await open(file, "wx");
  try {
    await writeAll(handle, bytes);
    for (const form of tensors) {
      const { buffer, byteOffset, byteLength } = await valuesOf(form, weights);
      await writeAll(handle, new Uint8Array(buffer, byteOffset, byteLength));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a model of `gpt` or `llama`, with the weights that `train` returned, into a folder that `from_pretrained` loads: float32.
 * Tokenizer and generation settings are not ours to write. Resolves to the number of tensors. Throws where the folder has a
 * model.safetensors, and where a parameter is missing.
 */
export async function toHuggingFace(model: LanguageModel, weights: ValuesByName, folder: string): Promise<number> {
  const file = join(folder, "model.safetensors");
  if (existsSync(file)) throw new Error(`${file} is there already: name another folder`);
  const { config, tensors } = model.huggingFace;
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1)); // as the safetensors package does
  const partial = `${file}.partial`;
  await mkdir(folder, { recursive: true });
  try {
    await rm(partial, { force: true });
    await writeTensors(partial, sorted, weights);
    await writeFile(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
    await rename(partial, file);
  } catch (cause) {
    await rm(partial, { force: true });
    throw cause;
  }
  return sorted.length;
}
