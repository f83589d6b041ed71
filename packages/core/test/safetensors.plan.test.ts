// The header of safetensors files: what is written can be read, whatever else is refused by file and tensor, and mutants do
// no harm.
import { describe, expect, test } from "vitest";
import {
  encodeHeader,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type StoredType,
} from "../src/checkpoint/safetensors.ts";
import { philox } from "../src/params/random.ts";

const file = "runs/a/step-000001/model-00001-of-00001.safetensors";
const tensors = [
  { name: "0.weight", dtype: "F32", shape: [2, 3] },
  { name: "0.bias", dtype: "F32", shape: [3] },
  { name: "scalar", dtype: "F64", shape: [] },
  { name: "none", dtype: "I8", shape: [0, 4] },
] as const;

/** Reads the whole header of a file that is in memory. */
function read(bytes: Uint8Array) {
  const length = headerLength(file, bytes.subarray(0, LENGTH_BYTES), bytes.length);
  return parseHeader(file, bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length), bytes.length);
}

/** A file with this JSON and `data` bytes behind it. */
function fileOf(json: string, data = 0): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(LENGTH_BYTES + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

test("what is written is read, aligned", () => {
  const { bytes, entries } = encodeHeader(tensors, { made: "here" });
  const whole = new Uint8Array(entries.at(-1)!.to);
  whole.set(bytes);
  const header = read(whole);
  expect([...header.entries.values()]).toEqual(entries);
  expect(header.metadata).toEqual({ made: "here" });
  expect(entries[0]!.from % 8).toBe(0);
  expect(entries.map(({ from, to }) => to - from)).toEqual([24, 12, 8, 0]);
});

test("names that objects have of their own are names like others", () => {
  const { bytes, entries } = encodeHeader([{ name: "__proto__", dtype: "U8", shape: [1] }]);
  const whole = new Uint8Array(entries[0]!.to);
  whole.set(bytes);
  expect([...read(whole).entries.keys()]).toEqual(["__proto__"]);
});

const tensor = (dtype: StoredType | "F31", shape: unknown, offsets: unknown) =>
  JSON.stringify({ a: { dtype, shape, data_offsets: offsets } });

describe("a bad header is refused by file and tensor", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["too short", new Uint8Array(3), /has 3 bytes: .* at least 8/],
    ["too long a header", fileOf("{}").subarray(0, 9), /truncated .* 2 bytes, and 1 is the most/],
    ["a header beyond the limit", new Uint8Array(16).fill(255), /header is said to have/],
    ["no JSON", fileOf("{nothing}"), /its header is no JSON/],
    ["no object", fileOf("[1]"), /does not begin with \{/],
    ["no UTF-8", fileOf('{"a').with(10, 0xff), /its header is no JSON/],
    [
      "a name twice",
      fileOf(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        1,
      ),
      /names a tensor twice/,
    ],
    ["metadata of numbers", fileOf('{"__metadata__":{"a":1}}'), /__metadata__/],
    ["an unknown dtype", fileOf(tensor("F31", [1], [0, 4]), 4), /tensor "a" has dtype "F31"/],
    ["a negative size", fileOf(tensor("F32", [-1], [0, 4]), 4), /tensor "a" has shape \[-1\]/],
    ["no shape", fileOf(tensor("F32", "4", [0, 4]), 4), /tensor "a" has shape "4"/],
    ["offsets that do not fit", fileOf(tensor("F32", [2], [0, 4]), 4), /tensor "a" is F32 \[2\], 8 bytes, .* hold 4/],
    ["a product beyond all bounds", fileOf(tensor("F32", [2 ** 40, 2 ** 40], [0, 4]), 4), /tensor "a" is F32/],
    ["one offset", fileOf(tensor("F32", [1], [4]), 4), /tensor "a" has data_offsets/],
    ["a gap", fileOf(tensor("F32", [1], [4, 8]), 8), /tensor "a" starts at byte/],
    ["bytes missing", fileOf(tensor("F32", [2], [0, 8]), 4), /truncated: tensor "a" ends at byte/],
    ["bytes left over", fileOf(tensor("F32", [1], [0, 4]), 8), /and its tensors end at/],
    [
      "another field",
      fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"b":1}}', 1),
      /tensor "a" has a field "b"/,
    ],
    ["a tensor that is null", fileOf('{"a":null}'), /tensor "a" has dtype undefined/],
  ])("%s", (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
    expect(() => read(bytes)).toThrow(file);
  });
});

/** Overwrites, inserts, removes and doubles bytes of the header, as the numbers say. */
function mutated(whole: Uint8Array, seed: number): Uint8Array {
  const bytes = [...whole];
  const span = bytes.length - 32;
  for (let i = 0; i <= seed % 4; i++) {
    const [where, what, value, count] = philox([seed, 7], i);
    const at = where % span;
    if (what % 4 === 0) bytes.splice(at, count % 9);
    else if (what % 4 === 1) bytes.splice(at, 0, ...bytes.slice(at, at + (count % 40)));
    else bytes[at] = what % 4 === 2 ? value % 256 : '{}[]",:0123456789e-\\'.charCodeAt(value % 20);
  }
  return Uint8Array.from(bytes);
}

test("10,000 mutated headers: an error that names the file, or tensors within the file", () => {
  const { bytes, entries } = encodeHeader(tensors, { made: "here" });
  const whole = new Uint8Array(entries.at(-1)!.to);
  whole.set(bytes);
  let refused = 0;
  for (let seed = 0; seed < 10_000; seed++) {
    const mutant = mutated(whole, seed);
    try {
      for (const { from, to } of read(mutant).entries.values()) expect(from <= to && to <= mutant.length).toBe(true);
    } catch (error) {
      refused++;
      expect((error as Error).message).toContain(file);
    }
  }
  expect(refused).toBeGreaterThan(5000);
});
