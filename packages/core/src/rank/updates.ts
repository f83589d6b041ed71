// The end of a step on one rank: its part of the gradient norm, then the optimizer on the pieces it owns.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { readSquares, readTensors } from "../devices/read.ts";
import type { Gradients } from "../params/gradients.ts";
import type { Optimizer } from "../params/optimizer.ts";
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
}

/** Updates every piece that has a gradient, and drops the gradient. */
export async function update(store: ParamStore, gradients: Gradients, how: Update): Promise<void> {
  for (const spec of store.owned()) {
    const grad = gradients.get(spec.name);
    if (grad) await updateOne(store, spec, grad, how);
    gradients.drop(spec.name);
  }
}

async function updateOne(store: ParamStore, spec: ParamSpec, grad: Tensor, how: Update): Promise<void> {
  const { optimizer, step, scale } = how;
  const value = await store.piece(spec.name);
  if (!value.size) return store.update(spec.name, value); // an empty chunk: others have the elements
  const slots = (await store.slots(spec.name)) ?? Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
  const [next, ...rest] = tf.tidy(() => optimizer.update(value, grad, slots, { spec, step, scale }));
  tf.dispose([value, ...slots]);
  await store.update(spec.name, next!);
  await store.keepSlots(spec.name, rest);
}
