// Pictures from folders: classes, sizes, kinds of PNG and JPEG, and files that are none, named.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as encoder from "@jsquash/jpeg/encode.js";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decoder } from "../src/data/decode.ts";
import { resized } from "../src/data/resize.ts";
import { images } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-images-"));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, bytes: Uint8Array | string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), bytes);
};
const plain = (width: number, height: number, pixel: readonly number[]) => ({
  width,
  height,
  channels: pixel.length,
  data: Uint8Array.from({ length: width * height * pixel.length }, (_, i) => pixel[i % pixel.length]!),
});
async function jpeg(width: number, height: number, pixel: readonly number[]): Promise<Uint8Array> {
  const { data } = plain(width, height, [...pixel, 255]);
  return new Uint8Array(await encoder.default({ data: new Uint8ClampedArray(data), width, height } as never));
}

beforeAll(async () => {
  const wasm = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm");
  const { Module } = (globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } })
    .WebAssembly;
  await encoder.init(new Module(readFileSync(wasm)) as never);
  put("pets/cat/one.png", encode(plain(5, 4, [255, 0, 0])));
  put("pets/cat/deep/two.PNG", encode(plain(9, 3, [255, 0, 0, 255])));
  put("pets/dog/one.jpg", await jpeg(16, 24, [0, 0, 255]));
  put("pets/dog/notes.txt", "no picture");
});

test("folders are classes; every picture comes once an epoch, at one size, from 0 to 1", async () => {
  const data = images(join(folder, "pets"), { size: [4, 6] });
  expect({ classes: data.classes, count: data.count, shape: data.input.shape }).toEqual({
    classes: ["cat", "dog"],
    count: 3,
    shape: [4, 6, 3],
  });
  const samples = await Promise.all([0, 1, 2].map((i) => data.sample(i, 0)));
  expect(samples.map(({ target }) => target[0]).toSorted()).toEqual([0, 0, 1]);
  for (const { input, target } of samples) {
    expect(input.length).toBe(72);
    const wanted = target[0] === 0 ? [1, 0, 0] : [0, 0, 1];
    for (let i = 0; i < 72; i++) expect(input[i]).toBeCloseTo(wanted[i % 3]!, 1);
  }
});

test("grey, and classes in an order of one's own", async () => {
  const data = images(join(folder, "pets"), { size: 2, channels: 1, classes: ["dog"] });
  const { input, target } = await data.sample(0, 0);
  expect(target[0]).toBe(0);
  for (const value of input) expect(value).toBeCloseTo(0.114, 2);
});

describe("kinds of PNG", () => {
  const read = async (png: Parameters<typeof encode>[0]) => decoder()(encode(png));

  test("16 bits, grey with alpha", async () => {
    const deep = await read({ width: 1, height: 1, channels: 2, depth: 16, data: Uint16Array.of(65535, 32768) });
    expect(resized(deep, [1, 1, 1])[0]).toBeCloseTo(0.5, 4);
  });

  test("1 bit a pixel, rows padded to bytes", async () => {
    // 3 x 2 pixels: 101 and 010, made by hand, since the encoder writes whole bytes only.
    const bits = await decoder()(
      Buffer.from(
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQAAAAC1D1u3AAAADElEQVR4nGNYwOAAAAIkAOFz6zvyAAAAAElFTkSuQmCC",
        "base64",
      ),
    );
    expect([...resized(bits, [2, 3, 1])].map(Math.round)).toEqual([1, 0, 1, 0, 1, 0]);
  });
});

test("shrinking averages, growing interpolates", () => {
  const grey = (width: number, height: number, data: number[]) => ({ width, height, channels: 1, data, white: 1 });
  expect([...resized(grey(4, 1, [0, 0, 1, 1]), [1, 2, 1])].map((v) => v.toFixed(3))).toEqual(["0.143", "0.857"]);
  expect([...resized(grey(2, 1, [0, 1]), [1, 4, 1])].map((v) => v.toFixed(2))).toEqual([
    "0.00",
    "0.25",
    "0.75",
    "1.00",
  ]);
  expect([...resized(grey(2, 2, [0, 1, 1, 0]), [1, 1, 1])]).toEqual([0.5]);
});

test("a file that is no picture, cut or broken, is named with the reason", async () => {
  const whole = encode(plain(5, 4, [1, 2, 3]));
  const broken = whole.slice();
  broken[whole.length - 20]! ^= 1;
  const files: Record<string, [Uint8Array | string, string]> = {
    "text.png": ["hello", "it begins neither as a PNG nor as a JPEG does"],
    "cut.png": [whole.subarray(0, 30), ""],
    "broken.png": [broken, "CRC"],
    "cut.jpg": [(await jpeg(16, 16, [9, 9, 9])).subarray(0, 100), "Premature end of JPEG file"],
  };
  for (const [name, [bytes, why]] of Object.entries(files)) {
    put(`odd-${name}/one/${name}`, bytes);
    const { message } = await Promise.resolve(images(join(folder, `odd-${name}`), { size: 2 }).sample(0, 0)).then(
      () => ({ message: "it was read" }),
      (error: Error) => error,
    );
    expect(message).toContain(join("one", name));
    expect(message).toContain(why);
  }
});

test("what is missing is refused before the run", () => {
  put("bare/readme.md", "nothing");
  mkdirSync(join(folder, "empty/cat"), { recursive: true });
  const open = (name: string, options: object = {}) => images(join(folder, name), { size: 4, ...options });
  expect(() => open("none")).toThrow("there is no such folder");
  expect(() => open("bare")).toThrow("there are no folders in it; make one for each class");
  expect(() => open("empty")).toThrow("folder cat has no .png, .jpg or .jpeg files");
  expect(() => open("pets", { classes: ["cow"] })).toThrow("there is no folder cow; there are cat, dog");
  expect(() => open("pets", { size: 0 })).toThrow("size is 0; give a whole number of pixels");
  expect(() => open("pets", { channels: 4 })).toThrow("channels is 4; give 3 for RGB or 1 for grey");
});
