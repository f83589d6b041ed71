// Pictures in folders, a folder a class. A picture is read and decoded when its sample is asked for; nothing of it stays in memory.
import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Data, Values } from "@orthant/core";
import { decoder } from "./decode.ts";
import { resized } from "./resize.ts";
import { rowOf } from "./rows.ts";

export interface ImagesOptions {
  /** Height and width that every picture is brought to, or one number for both. */
  readonly size: number | readonly [height: number, width: number];
  /** 3 for RGB, the default, or 1 for grey. */
  readonly channels?: 1 | 3;
  /** Folders that are classes, in the order of their indices; all folders in the order of their names by default. */
  readonly classes?: readonly string[];
}

/** Data of pictures, which knows its classes. */
export interface ImagesData extends Data {
  /** Names of the folders: class 0, class 1 and so on. */
  readonly classes: readonly string[];
  /** Number of pictures: an epoch. */
  readonly count: number;
}

interface Labelled {
  readonly path: string;
  readonly label: number;
}

const isPicture = (name: string) => /\.(png|jpe?g)$/i.test(name);
const inOrder = (names: readonly string[]) => names.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)); // on every machine alike

function classesOf(folder: string, who: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`${who}: there is no such folder; paths count from the working directory, ${process.cwd()}`);
  const found = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (!found.length) throw new Error(`${who}: there are no folders in it; make one for each class`);
  return inOrder(found.map(({ name }) => name));
}

function picturesOf(folder: string, classes: readonly string[], who: string): Labelled[] {
  return classes.flatMap((name, label) => {
    const inside = join(folder, name);
    if (!statSync(inside, { throwIfNoEntry: false })?.isDirectory())
      throw new Error(`${who}: there is no folder ${name}; there are ${classesOf(folder, who).join(", ")}`);
    const names = inOrder(readdirSync(inside, { recursive: true }).map(String)).filter((file) =>
      isPicture(basename(file)),
    );
    if (!names.length) throw new Error(`${who}: folder ${name} has no .png, .jpg or .jpeg files`);
    return names.map((file) => ({ path: join(inside, file), label }));
  });
}

function shapeOf({ size, channels = 3 }: ImagesOptions, who: string): readonly [number, number, 1 | 3] {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  if (![height, width].every((n) => Number.isInteger(n) && n > 0))
    throw new Error(`${who}: size is ${JSON.stringify(size)}; give a whole number of pixels, or [height, width]`);
  if (channels !== 1 && channels !== 3)
    throw new Error(`${who}: channels is ${channels}; give 3 for RGB or 1 for grey`);
  return [height, width, channels];
}

/**
 * PNG and JPEG files below `folder`, whose folders are classes: input `[height, width, channels]`, float32 from 0 to 1, target the class,
 * `[]`, int32. Each picture comes once an epoch, in an order that changes with it. Throws where there is no folder, no class or a class
 * without pictures; a file that cannot be decoded ends the run with its path.
 */
export function images(folder: string | URL, options: ImagesOptions): ImagesData {
  const root = folder instanceof URL ? fileURLToPath(folder) : folder;
  const who = `images("${folder}")`;
  const shape = shapeOf(options, who);
  const classes = options.classes ?? classesOf(root, who);
  const pictures = picturesOf(root, classes, who);
  const decode = decoder();
  const read = async (path: string): Promise<Values> => {
    try {
      return resized(await decode(await readFile(path)), shape);
    } catch (cause) {
      throw new Error(`${who}: ${path}: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    classes,
    count: pictures.length,
    input: { shape, dtype: "float32" },
    target: { shape: [], dtype: "int32" },
    tokens: 1,
    async sample(index, seed) {
      const { path, label } = pictures[rowOf(index, pictures.length, seed, "images")]!;
      return { input: await read(path), target: Int32Array.of(label) };
    },
  };
}
