// Files of checkpoints: written whole or not there, read by blocks, refused by file and tensor where anything is off.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wholeExtent } from "../src/checkpoint/extent.ts";
import { commit, findCheckpoint, openFolder, partialFolder, prune, stepName } from "../src/checkpoint/folder.ts";
import { Loader } from "../src/checkpoint/load.ts";
import { toStored } from "../src/checkpoint/seen.ts";
import { ShardReader, writeShard } from "../src/checkpoint/shard-file.ts";
import { BLOCK_BYTES, encodeState, parseState, type State } from "../src/checkpoint/state.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "orthant-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const state = (step: number, tensors: State["tensors"] = []): State => ({
  library: "1.0.0",
  model: "small",
  mesh: { x: 2 },
  strategies: [],
  optimizer: { name: "sgd", slots: 0 },
  seed: 0,
  batch: 8,
  step,
  samples: 8 * step,
  shards: 1,
  tensors,
});

async function save(step: number): Promise<string> {
  mkdirSync(partialFolder(folder, step));
  return commit(folder, state(step));
}

describe("a folder", () => {
  test("has the latest step, and no more than are kept", async () => {
    await openFolder(folder);
    for (const step of [1, 2, 3, 10]) await save(step);
    await prune(folder, 10, 2);
    expect(readdirSync(folder).sort()).toEqual(["latest", "step-000003", "step-000010"]);
    expect((await findCheckpoint(folder))!.state).toEqual(state(10));
    expect((await findCheckpoint(join(folder, "step-000003")))!.state.step).toBe(3);
  });

  test("steps of another history stay", async () => {
    await openFolder(folder);
    for (const step of [5, 9]) await save(step);
    await save(7);
    await prune(folder, 7, 1);
    expect(readdirSync(folder).sort()).toEqual(["latest", "step-000007", "step-000009"]);
  });

  test("a step that is written again replaces the one before", async () => {
    await openFolder(folder);
    await save(4);
    writeFileSync(join(folder, stepName(4), "old"), "");
    await save(4);
    expect(readdirSync(join(folder, stepName(4)))).toEqual(["state.json"]);
    expect(readdirSync(folder).sort()).toEqual(["latest", "step-000004"]);
  });

  test("what was left unfinished goes, and nothing else", async () => {
    await save(4);
    mkdirSync(partialFolder(folder, 5));
    mkdirSync(join(folder, "mine.partial"));
    await openFolder(folder);
    expect(readdirSync(folder).sort()).toEqual(["latest", "mine.partial", "step-000004"]);
  });

  test("that is a file is refused", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(openFolder(join(folder, "file"))).rejects.toThrow(/cannot write in .*file: .*checkpoint.dir/);
  });

  test.each(["/sys/orthant", "/sys/kernel"])("that cannot be written, %s, is refused", async (folder) => {
    await expect(openFolder(folder)).rejects.toThrow(/checkpoint: cannot write in \/sys.*: E.*checkpoint.dir/);
  });

  test.each(["../step-000004", "/etc", "step-4", "step-000004/../..", ""])("latest may not name %j", async (name) => {
    await save(4);
    writeFileSync(join(folder, "latest"), name);
    await expect(findCheckpoint(folder)).rejects.toThrow(/latest names ".*", which is no folder of a step/);
  });

  test("latest names what is not there", async () => {
    writeFileSync(join(folder, "latest"), "step-000004\n");
    await expect(findCheckpoint(folder)).rejects.toThrow(/latest names step-000004, and there is no .*state.json/);
  });

  test("without a checkpoint", async () => {
    expect(await findCheckpoint(folder)).toBeUndefined();
    expect(await findCheckpoint(join(folder, "none"))).toBeUndefined();
  });
});

describe("a state", () => {
  const part = { shard: 0, start: [0], shape: [4], from: 0, to: 4, checksums: [[1]] };
  const tensor = { name: "a", shape: [4], slots: 0, parts: [part] };
  const text = encodeState(state(3, [tensor]));

  test("is read as it was written", () => expect(parseState("state.json", text)).toEqual(state(3, [tensor])));

  test.each<[string, string, RegExp]>([
    ["truncated", text.slice(0, 100), /truncated or no JSON/],
    ["foreign", '{"format":"torch"}', /no state of a checkpoint/],
    ["a list", "[]", /no object/],
    ["newer", text.replace('"version":1', '"version":2'), /has version 2, written by library "1.0.0"; .* update it/],
    ["another step", text.replace('"step":3', '"step":4'), /corrupt: its checksum/],
    [
      "a part outside",
      encodeState(state(3, [{ ...tensor, parts: [{ ...part, start: [1] }] }])),
      /tensor "a" has a part 0/,
    ],
    [
      "a shard that is not",
      encodeState(state(3, [{ ...tensor, parts: [{ ...part, shard: 1 }] }])),
      /tensor "a" has a part 0/,
    ],
    [
      "a shard that is a path",
      encodeState(state(3, [{ ...tensor, parts: [{ ...part, shard: "../0" as never }] }])),
      /tensor "a" has a part 0/,
    ],
    [
      "a checksum missing",
      encodeState(state(3, [{ ...tensor, parts: [{ ...part, checksums: [[]] }] }])),
      /"a" has a part 0/,
    ],
    ["elements missing", encodeState(state(3, [{ ...tensor, shape: [5] }])), /"a" has 5 elements, and its parts 4/],
    ["a tensor twice", encodeState(state(3, [tensor, tensor])), /lists a tensor twice/],
    ["a name of no text", encodeState(state(3, [{ ...tensor, name: 3 as never }])), /tensor 3 has no name/],
    [
      "more losses than steps",
      encodeState({ ...state(3), seen: toStored({ losses: [1, 2, 3, 4], evaluations: [] }) }),
      /seen has losses that are not those of 3 steps: 32 bytes/,
    ],
    [
      "losses of no numbers",
      encodeState({ ...state(3), seen: { losses: "AAA=", evaluations: [] } }),
      /seen has losses that are not those of 3 steps/,
    ],
    [
      "an evaluation of no number",
      encodeState({ ...state(3), seen: { losses: "", evaluations: [{ step: 1, loss: null as never, samples: 8 }] } }),
      /seen has an evaluation 0 that cannot be/,
    ],
    ["no step", encodeState({ ...state(3), step: -1 }), /step is -1/],
  ])("%s is refused", (_, found, message) => {
    expect(() => parseState("runs/a/state.json", found)).toThrow(message);
    expect(() => parseState("runs/a/state.json", found)).toThrow("runs/a/state.json");
  });
});

describe("a shard's file", () => {
  const count = BLOCK_BYTES / 4 + 1000;
  const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  const extent = wholeExtent([count]);
  const path = () => join(folder, "model-00001-of-00001.safetensors");
  const write = () =>
    writeShard(path(), [
      { name: "a", extent, values: async () => values },
      { name: "b", extent: wholeExtent([2, 2]), values: async () => Float32Array.of(1, 2, 3, 4) },
    ]);

  /** Reads `count` elements of a tensor from `from` on. */
  async function read(name: string, checksums: readonly number[], from: number, count: number, whole = extent) {
    const target = new Float32Array(count);
    const reader = await ShardReader.open(path());
    const part = { ...whole, shard: 0, checksums: [checksums] };
    return reader.copy(name, part, checksums, [{ from, to: 0, count }], target).then(
      () => reader.close().then(() => target),
      (error) => reader.close().then(() => Promise.reject(error)),
    );
  }

  test("is read by the range, over the edge of blocks too", async () => {
    const [a, b] = await write();
    expect(a).toHaveLength(2);
    expect(await read("a", a!, BLOCK_BYTES / 4 - 3, 7)).toEqual(values.slice(BLOCK_BYTES / 4 - 3, BLOCK_BYTES / 4 + 4));
    expect(await read("b", b!, 1, 2, wholeExtent([2, 2]))).toEqual(Float32Array.of(2, 3));
  });

  test("a flipped bit is told where it is wanted, and only there", async () => {
    const [a] = await write();
    const bytes = readFileSync(path());
    bytes[bytes.length - 16 - 1]! ^= 1; // the last of `a`
    writeFileSync(path(), bytes);
    expect(await read("a", a!, 0, 5)).toEqual(values.slice(0, 5));
    await expect(read("a", a!, count - 1, 1)).rejects.toThrow(/model-00001.* is corrupt: tensor a, .* block 2 of 2/);
  });

  test("truncated, too long, missing, with another tensor", async () => {
    const [a] = await write();
    await expect(read("c", a!, 0, 1)).rejects.toThrow(/has no tensor c/);
    await expect(read("b", a!, 0, 1)).rejects.toThrow(/tensor b is F32 \[2, 2\], and state.json says F32 \[263144\]/);
    appendFileSync(path(), "x");
    await expect(read("a", a!, 0, 1)).rejects.toThrow(/model-00001.* its tensors end at/);
    truncateSync(path(), 4 * count);
    await expect(read("a", a!, 0, 1)).rejects.toThrow(/model-00001.* is truncated: tensor "/);
    truncateSync(path(), 3);
    await expect(read("a", a!, 0, 1)).rejects.toThrow(/has 3 bytes/);
    rmSync(path());
    await expect(read("a", a!, 0, 1)).rejects.toThrow(/cannot read .*model-00001/);
  });

  test("no memory is taken for what the state says and the file has not", async () => {
    const [, checksums] = await write();
    const huge = wholeExtent([2 ** 36]);
    const part = { shard: 0, ...huge, checksums: [checksums!] };
    const loader = new Loader({
      path: folder,
      state: state(3, [{ name: "b", shape: huge.shape, slots: 0, parts: [part] }]),
    });
    await expect(loader.piece("b", huge)).rejects.toThrow(
      /tensor b is F32 \[2, 2\], and state.json says F32 \[68719476736\]/,
    );
    await loader.close();
  });

  test("is not written over another", async () => {
    await write();
    await expect(write()).rejects.toThrow(/cannot write .*model-00001.*: EEXIST/);
    expect(existsSync(path())).toBe(true);
  });
});
