// Byte-pair tokenizers from the files that models come with, read by @huggingface/tokenizers. No vocabulary is learned here.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { Tokenizer as Reader } from "@huggingface/tokenizers";

/** Text to token numbers and back. Any library's will do, with the size of its vocabulary beside. */
export interface Tokenizer {
  /** Every token is below it: the `vocab` of a model. */
  readonly vocab: number;
  /** Names how text is cut: with it, `text()` keeps what it encoded on the disk, for other workers and runs. */
  readonly id?: string;
  encode(text: string): ArrayLike<number>;
  decode(tokens: number[]): string;
}

interface TokenizerFile {
  readonly model?: { readonly type?: string; readonly vocab?: Readonly<Record<string, number>> };
  readonly added_tokens?: readonly { readonly id: number }[];
}

/** Parses a JSON file, with an error that says which. */
function parsed(path: string | URL, who: string): TokenizerFile {
  if (!existsSync(path))
    throw new Error(`${who}: there is no such file; paths count from the working directory, ${process.cwd()}`);
  try {
    return JSON.parse(readFileSync(path, "utf8")) as TokenizerFile;
  } catch (cause) {
    throw new Error(`${who}: ${(cause as Error).message}`, { cause });
  }
}

const beside = (file: string | URL, name: string): string | URL =>
  file instanceof URL ? new URL(name, file) : file.replace(/[^/\\]*$/, name);

/**
 * The byte-pair tokenizer in a `tokenizer.json`, as GPT-2, Llama 2 and 3, Mistral and others come with; a `tokenizer_config.json` beside it is
 * read too. Adds no token at the beginning or the end; special tokens in a text, such as `<|endoftext|>`, are one token each.
 * Throws where the file is none, or of another kind.
 */
export function bytePair(file: string | URL): Tokenizer {
  const who = `bytePair("${file}")`;
  const json = parsed(file, who);
  const { type = "missing", vocab } = json.model ?? {};
  if (type !== "BPE" || !vocab)
    throw new Error(
      `${who}: the tokenizer's model is ${type}, and byte pairs are BPE; give the tokenizer.json of a model`,
    );
  const config = beside(file, "tokenizer_config.json");
  let reader: Reader | undefined; // a second to build, and not needed where the text was encoded before
  const opened = () => {
    reader ??= new Reader(json, existsSync(config) ? parsed(config, who) : {});
    return reader;
  };
  return {
    vocab:
      1 +
      [...Object.values(vocab), ...(json.added_tokens ?? []).map(({ id }) => id)].reduce((a, b) => Math.max(a, b), 0),
    id: createHash("sha256").update(JSON.stringify(json)).digest("hex"),
    encode: (text) => opened().encode(text, { add_special_tokens: false }).ids,
    decode: (tokens) => opened().decode(tokens, { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
  };
}
