// `orthant export` and `import`: words that do, and words that do not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exportCommand, importCommand } from "../src/weights.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "orthant-weights-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A file of one tensor, written by the format's description. */
function fileOf(values: readonly number[]): string {
  const json = JSON.stringify({ a: { dtype: "F32", shape: [values.length], data_offsets: [0, 4 * values.length] } });
  const bytes = Buffer.alloc(8 + json.length + 4 * values.length);
  bytes.writeBigUInt64LE(BigInt(json.length));
  bytes.write(json, 8);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 8 + json.length + 4 * i);
  writeFileSync(join(dir, "in.safetensors"), bytes);
  return join(dir, "in.safetensors");
}

test("in and out", async () => {
  const file = fileOf([1, 2, 3]);
  const [folder, out] = [join(dir, "run"), join(dir, "out.safetensors")];
  expect(await importCommand([file, folder])).toEqual({
    code: 0,
    text: `${folder}: 1 tensors of ${file}; train from them with resume: "${folder}"`,
  });
  expect(await exportCommand([folder, out])).toEqual({ code: 0, text: `${out}: 1 tensors of ${folder}` });
  expect(readFileSync(out).subarray(-12)).toEqual(readFileSync(file).subarray(-12));
});

test("in from Hugging Face and out again: the same bytes", async () => {
  const fixture = fileURLToPath(new URL("../../nn/test/fixtures/huggingface/llama", import.meta.url));
  const [folder, out] = [join(dir, "run"), join(dir, "out")];
  expect((await importCommand(["--from", "huggingface", fixture, folder])).text).toMatch(
    /run: 21 tensors of .*llama; train/,
  );
  const script = join(dir, "train.ts");
  const nn = new URL("../../nn/src/index.ts", import.meta.url);
  const core = new URL("../../core/src/index.ts", import.meta.url);
  writeFileSync(
    script,
    `import { train } from "${core}"; import { fromHuggingFace } from "${nn}";
     await train({ model: fromHuggingFace(${JSON.stringify(fixture)}).model });`,
  );
  expect((await exportCommand(["--to", "huggingface", script, folder, out])).text).toMatch(
    /out: 21 tensors of .*run, and config.json/,
  );
  const [found, expected] = [out, fixture].map((at) => readFileSync(join(at, "model.safetensors")));
  expect(found!.equals(expected!)).toBe(true);
});

test.each<[readonly string[], RegExp]>([
  [["a"], /orthant export takes two paths, such as: orthant export runs\/first-try model.safetensors/],
  [["a", "b", "c"], /takes two paths/],
  [["--step", "a"], /orthant export has no option --step/],
  [["--to", "onnx", "a", "b"], /orthant export --to takes huggingface, not onnx/],
  [["a", "b", "--to"], /orthant export --to takes huggingface, not nothing/],
  [
    ["--to", "huggingface", "runs/a", "out"],
    /takes three paths, such as: orthant export --to huggingface train.ts runs\/first-try exported/,
  ],
])("export %j", async (words, message) => {
  await expect(exportCommand(words)).rejects.toThrow(message);
});
