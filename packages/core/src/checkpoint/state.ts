// `state.json`: what a checkpoint is of, and where each tensor's elements are. Plain data; what is read may come from anywhere, so
// all of it is checked. File names are not in it: they follow from numbers.
import { crc32 } from "node:zlib";
import { meshSize } from "../mesh.ts";
import { elements } from "../model/segment.ts";
import type { Extent } from "./extent.ts";
import { faultOfSeen, type StoredSeen } from "./seen.ts";

/** Elements of one part of a tensor, in one shard. */
export interface StoredPart extends Extent {
  /** Number of the shard, from 0. */
  readonly shard: number;
  /** CRC-32 of each block of the value, then of each slot. */
  readonly checksums: readonly (readonly number[])[];
}

export interface StoredTensor {
  readonly name: string;
  /** Shape of the whole. */
  readonly shape: readonly number[];
  /** Tensors of optimizer state beside the value. */
  readonly slots: number;
  readonly parts: readonly StoredPart[];
}

/** A vector of the extra state of a rank. */
export interface StoredExtra {
  readonly rank: number;
  readonly name: string;
  /** Elements. */
  readonly size: number;
  /** CRC-32 of each block. */
  readonly checksums: readonly number[];
}

export interface State {
  /** The library's version. */
  readonly library: string;
  readonly model: string;
  readonly mesh: Readonly<Record<string, number>>;
  readonly strategies: readonly string[];
  readonly optimizer: { readonly name: string; readonly slots: number };
  readonly seed: number;
  readonly batch: number;
  /** Steps done. */
  readonly step: number;
  /** Samples seen: the number of the next one. */
  readonly samples: number;
  readonly shards: number;
  readonly tensors: readonly StoredTensor[];
  /** What strategies carry from step to step on each rank, where that is anything. */
  readonly extra?: readonly StoredExtra[];
  /** Losses and evaluations so far, by which the learning rate may go. */
  readonly seen?: StoredSeen;
}

/** What a state opens with; a later library may write a higher version. */
const head = { format: "orthant checkpoint", version: 1 } as const;

/** Bytes that one checksum covers, the last of a tensor fewer: read whole, however little of them is needed. */
export const BLOCK_BYTES = 2 ** 20;

const checksumOf = (text: string): number => crc32(new TextEncoder().encode(text));

export function encodeState(state: State): string {
  const body = { ...head, ...state };
  return `${JSON.stringify({ ...body, checksum: checksumOf(JSON.stringify(body)) })}\n`;
}

/** Reads a state. Throws an error that names the file, and the tensor, where it is not as it was written. */
export function parseState(file: string, text: string): State {
  const fields = toObject(file, text);
  if (fields.format !== head.format)
    throw new Error(`${file} is no state of a checkpoint: it has no format "${head.format}"`);
  if (fields.version !== head.version)
    throw new Error(
      `${file} has version ${JSON.stringify(fields.version)}, written by library ${JSON.stringify(fields.library)}; this library reads ` +
        `version ${head.version}: update it`,
    );
  const { checksum, ...body } = fields;
  if (checksum !== checksumOf(JSON.stringify(body)))
    throw new Error(
      `${file} is corrupt: its checksum is ${checksumOf(JSON.stringify(body))}, and was ${JSON.stringify(checksum)}`,
    );
  const { format: _, version: __, ...state } = body;
  checkState(file, state as unknown as State);
  return state as unknown as State;
}

function toObject(file: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${file} is truncated or no JSON: ${(cause as Error).message}`, { cause });
  }
  throw new Error(`${file} is no state of a checkpoint: its JSON is no object`);
}

const isCount = (value: unknown, below = Number.MAX_SAFE_INTEGER): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < below;

const isCounts = (value: unknown, length?: number): value is number[] =>
  Array.isArray(value) && value.every((one) => isCount(one)) && (length === undefined || value.length === length);

function checkState(file: string, state: State): void {
  for (const name of ["step", "samples", "batch", "shards"] as const)
    if (!isCount(state[name])) throw new Error(`${file}: ${name} is ${JSON.stringify(state[name])}`);
  if (!isCount(state.optimizer?.slots)) throw new Error(`${file}: optimizer is ${JSON.stringify(state.optimizer)}`);
  if (!Number.isSafeInteger(state.seed)) throw new Error(`${file}: seed is ${JSON.stringify(state.seed)}`);
  if (!Array.isArray(state.tensors)) throw new Error(`${file} lists no tensors`);
  const names = new Set(state.tensors.map((tensor) => tensor?.name));
  if (names.size !== state.tensors.length) throw new Error(`${file} lists a tensor twice`);
  for (const tensor of state.tensors) {
    const why = faultOf(tensor, state);
    if (why) throw new Error(`${file}: tensor ${JSON.stringify(tensor?.name)} ${why}`);
  }
  checkExtra(file, state);
  const fault = faultOfSeen(state.seen, state.step);
  if (fault) throw new Error(`${file}: seen ${fault}`);
}

function checkExtra(file: string, { extra = [], mesh }: State): void {
  const sizes = Object.values(mesh ?? {});
  if (!sizes.every((size) => isCount(size, 2 ** 20))) throw new Error(`${file}: mesh is ${JSON.stringify(mesh)}`);
  const isRight = (one: StoredExtra | undefined): boolean =>
    isCount(one?.rank, meshSize(mesh)) &&
    typeof one.name === "string" &&
    isCount(one.size) &&
    isCounts(one.checksums, blocksOf(one.size));
  const bad = Array.isArray(extra) ? extra.findIndex((one) => !isRight(one)) : 0;
  if (bad >= 0) throw new Error(`${file}: extra ${bad} cannot be: ${JSON.stringify(extra[bad])?.slice(0, 200)}`);
}

/** What is wrong with a tensor, in words; undefined where nothing is. */
function faultOf(tensor: StoredTensor, { shards }: State): string | undefined {
  const { name, shape, slots, parts } = tensor ?? {};
  if (typeof name !== "string") return "has no name";
  if (!isCounts(shape) || !isCount(slots) || !Array.isArray(parts)) return "lacks a shape, slots or parts";
  const bad = parts.findIndex((part) => !isPart(part, tensor, shards));
  if (bad >= 0) return `has a part ${bad} that cannot be: ${JSON.stringify(parts[bad]).slice(0, 200)}`;
  const stored = parts.reduce((sum, { from, to }) => sum + to - from, 0);
  if (stored !== elements(shape)) return `has ${elements(shape)} elements, and its parts ${stored}`;
  return undefined;
}

/** Checks that a part lies within its tensor and has a checksum for each block. */
function isPart(part: StoredPart, { shape, slots }: StoredTensor, shards: number): boolean {
  const { shard, start, shape: box, from, to, checksums } = part ?? {};
  if (!isCount(shard, shards) || !isCounts(start, shape.length) || !isCounts(box, shape.length)) return false;
  if (!start.every((first, dim) => first + box[dim]! <= shape[dim]!)) return false;
  if (!isCount(from) || !isCount(to) || from > to || to > elements(box)) return false;
  const blocks = blocksOf(to - from);
  return (
    Array.isArray(checksums) && checksums.length === 1 + slots && checksums.every((list) => isCounts(list, blocks))
  );
}

/** Blocks of `count` float32 elements. */
export const blocksOf = (count: number): number => Math.ceil((4 * count) / BLOCK_BYTES);
