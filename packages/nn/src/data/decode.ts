// Pictures from bytes: PNG by fast-png (TypeScript), JPEG by MozJPEG as WebAssembly (@jsquash/jpeg). Decoders are loaded when the first
// picture needs one. No resizing here.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** A picture of `channels` bytes a pixel, row by row: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
  /** What stands for white: 255, or 65,535 in a PNG of 16 bits. */
  readonly white: number;
}

export type Decode = (bytes: Uint8Array) => Promise<Picture>;

/** Spreads grey of 1, 2 or 4 bits, packed row by row, to a number a pixel. */
function unpacked(data: ArrayLike<number>, depth: number, width: number, height: number): Uint8Array {
  const stride = Math.ceil((width * depth) / 8);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * stride + (bit >> 3)]!;
    return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  });
}

async function decodePng(bytes: Uint8Array): Promise<Picture> {
  const { convertIndexedToRgb, decode } = await import("fast-png");
  const png = decode(bytes, { checkCrc: true });
  const { width, height, depth, channels, palette } = png;
  if (palette) return { width, height, channels: palette[0]!.length, data: convertIndexedToRgb(png), white: 255 };
  const data = depth < 8 ? unpacked(png.data, depth, width, height) : png.data;
  return { width, height, channels, data, white: 2 ** depth - 1 };
}

interface PlainImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Sets the JPEG decoder up, its wasm file read from the disk; what it says of a broken file becomes the error's message. */
async function openJpeg(): Promise<Decode> {
  const { default: decode, init } = await import("@jsquash/jpeg/decode.js");
  const wasm = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
  const said: string[] = [];
  const { Module } = (globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } })
    .WebAssembly;
  const setUp = init as unknown as (module: object, options: object) => Promise<void>;
  await setUp(new Module(readFileSync(wasm)), { printErr: (line: string) => said.push(line) });
  return async (bytes) => {
    said.length = 0;
    try {
      const { width, height, data } = (await decode(new Uint8Array(bytes).buffer, {
        preserveOrientation: true,
      })) as PlainImage;
      return { width, height, channels: 4, data, white: 255 };
    } catch (cause) {
      throw new Error(said.join("; ") || String(cause), { cause });
    }
  };
}

const pngBegins = [0x89, 0x50, 0x4e, 0x47];
const jpegBegins = [0xff, 0xd8];

/** A decoder of PNG and JPEG, told apart by how they begin, whatever the file is called. Rejects what is neither, or broken. */
export function decoder(): Decode {
  let jpeg: Promise<Decode> | undefined;
  return async (bytes) => {
    const begins = (with_: readonly number[]) => with_.every((byte, i) => bytes[i] === byte);
    if (begins(pngBegins)) return decodePng(bytes);
    if (!begins(jpegBegins)) throw new Error("it begins neither as a PNG nor as a JPEG does");
    jpeg ??= openJpeg();
    return (await jpeg)(bytes);
  };
}
