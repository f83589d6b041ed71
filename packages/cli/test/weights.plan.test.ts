// `orthant export` and `import`: words that do, and words that do not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test.each<[readonly string[], RegExp]>([
  [["a"], /orthant export takes two paths, such as: orthant export runs\/first-try model.safetensors/],
  [["a", "b", "c"], /takes two paths/],
  [["--step", "a"], /orthant export has no option --step/],
])("export %j", async (words, message) => {
  await expect(exportCommand(words)).rejects.toThrow(message);
});
