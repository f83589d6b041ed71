// The end of a step on one rank: its part of the gradient norm, then the optimizer on the pieces it owns.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { readSquares, readTensors } from "../devices/read.ts";
import type { Gradients } from "../params/gradients.ts";
import type { Optimizer, Piece } from "../params/optimizer.ts";
import type { ParamSpec } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";

/** Sum of squares of the gradient elements that this rank counts, by parameter; `counted` gives the flat range of each. */
export async function gradientSquares(
  params: readonly ParamSpec[],
  gradients: Gradients,
  counted: (spec: ParamSpec) => readonly [from: number, to: number],
): Promise<number[]> {
  const parts = params.map((spec) => {
    const x = gradients.get(spec.name);
    const [from, to] = counted(spec);
    return x && from < to ? { x, from, to } : undefined;
  });
  const sums = await readSquares(parts.filter((part) => part !== undefined));
  return parts.map((part) => (part ? sums.shift()! : 0));
}

/** Copies the piece that this rank updates of a parameter; into `into`, of its size, where the device can. */
export async function readPiece(store: ParamStore, name: string, into?: Float32Array): Promise<Float32Array> {
  const piece = await store.piece(name);
  const [values] = into ? await readTensors([piece], () => [into]) : [(await piece.data()) as Float32Array];
  piece.dispose();
  return values!;
}

/** Copies the pieces that this rank updates, by name. */
export async function readPieces(store: ParamStore): Promise<Map<string, Float32Array>> {
  const pieces = new Map<string, Float32Array>();
  for (const { name } of store.owned()) pieces.set(name, await readPiece(store, name));
  return pieces;
}

/** Copies the optimizer state of a piece, likewise; nothing where none was kept yet. */
export async function readSlots(
  store: ParamStore,
  name: string,
  into?: readonly Float32Array[],
): Promise<readonly Float32Array[]> {
  const slots = await store.slots(name);
  if (!slots) return [];
  const values = into
    ? await readTensors(slots, () => [...into])
    : await Promise.all(slots.map((slot) => slot.data() as Promise<Float32Array>));
  await store.keepSlots(name, slots);
  return values;
}

/** One optimizer step on what a store owns. */
export interface Update {
  readonly optimizer: Optimizer;
  readonly step: number;
  /** Multiplies every gradient first. */
  readonly scale: number;
  /** Learning rate of the step. */
  readonly lr: number;
  /** Micros of a step over all members that share a loss: a moving average is given a part by each. */
  readonly parts: number;
}

/** Bytes of values that are updated together, a parameter at least: old and new values and moments exist side by side. */
const TOGETHER = 64 * 2 ** 20;

/** Neighbours whose values are at most so many bytes together. */
function groups(specs: readonly ParamSpec[], bytesOf: (spec: ParamSpec) => number): ParamSpec[][] {
  const all: ParamSpec[][] = [];
  let room = 0;
  for (const spec of specs) {
    const bytes = bytesOf(spec);
    if (bytes > room) {
      all.push([]);
      room = TOGETHER;
    }
    all.at(-1)!.push(spec);
    room -= bytes;
  }
  return all;
}

/** Updates every piece that has a gradient, and drops the gradient. */
export async function update(store: ParamStore, gradients: Gradients, how: Update): Promise<void> {
  const specs = store.owned().filter(({ name }) => gradients.get(name));
  const many = how.optimizer.many?.();
  const grad = ({ name }: ParamSpec): Tensor => gradients.get(name)!;
  const [means, others] = [specs.filter(isMean), specs.filter((spec) => !isMean(spec))];
  const alone = (many ? means : specs).map((spec) => [spec]);
  for (const group of many ? [...groups(others, (spec) => 4 * grad(spec).size), ...alone] : alone) {
    const pieces = await piecesOf(store, group, grad, how);
    const some = pieces.filter(({ value }) => value.size); // of an empty chunk others have the elements
    const one = (piece: Piece): Tensor[] => (isMean(piece.context.spec) ? averaged(piece, how) : moved(piece, how));
    const next = many && !group.some(isMean) ? many(some) : tf.tidy(() => some.map(one));
    await keep(store, pieces, next);
    for (const { name } of group) gradients.drop(name);
  }
}

/** A moving average: no optimizer moves it. */
const isMean = ({ average }: ParamSpec): boolean => average !== undefined;

const moved = ({ value, grad, slots, context }: Piece, { optimizer }: Update): Tensor[] =>
  optimizer.update(value, grad, slots, context);

function averaged({ value, grad, slots, context }: Piece, { parts }: Update): Tensor[] {
  const { average = 0 } = context.spec;
  return [value.mul(average).add(grad.mul((1 - average) / parts)), ...slots.map((slot) => slot.clone())];
}

async function piecesOf(
  store: ParamStore,
  specs: readonly ParamSpec[],
  grad: (spec: ParamSpec) => Tensor,
  { optimizer, step, scale, lr }: Update,
): Promise<Piece[]> {
  const values = await Promise.all(specs.map(({ name }) => store.piece(name)));
  const kept = await Promise.all(specs.map(({ name }, i) => (values[i]!.size ? store.slots(name) : [])));
  return specs.map((spec, i) => {
    const value = values[i]!;
    const slots = kept[i] ?? Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
    return { value, grad: grad(spec), slots, context: { spec, step, scale, lr } };
  });
}

/** Hands what was computed to the store, and frees what it was computed from. */
async function keep(store: ParamStore, pieces: readonly Piece[], next: readonly (readonly Tensor[])[]): Promise<void> {
  const found = next.values();
  for (const { value, slots, context } of pieces) {
    const { name } = context.spec;
    if (!value.size) {
      await store.update(name, value);
      continue;
    }
    const [updated, ...rest] = found.next().value!;
    value.dispose();
    for (const slot of slots) if (!rest.includes(slot)) slot.dispose();
    await store.update(name, updated!);
    await store.keepSlots(name, rest);
  }
}
