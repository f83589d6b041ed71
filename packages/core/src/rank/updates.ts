// The end of a step on one rank: its part of the gradient norm, then the optimizer on the pieces it owns.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { readSquares, readTensors } from "../devices/read.ts";
import type { Gradients } from "../params/gradients.ts";
import type { Optimizer } from "../params/optimizer.ts";
import type { ParamSpec } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";

/** Sum of squares of the gradient elements that this rank counts, by parameter; `counted` gives the flat range of each. */
export const gradientSquares = (
  params: readonly ParamSpec[],
  gradients: Gradients,
  counted: (spec: ParamSpec) => readonly [from: number, to: number],
): Promise<number[]> =>
  Promise.all(
    params.map((spec) => {
      const grad = gradients.get(spec.name);
      const [from, to] = counted(spec);
      return grad && from < to ? readSquares(grad, from, to) : 0;
    }),
  );

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

/** Updates every piece that has a gradient, and drops the gradient. */
export async function update(store: ParamStore, gradients: Gradients, how: Update): Promise<void> {
  for (const spec of store.owned()) {
    const grad = gradients.get(spec.name);
    if (grad) await updateOne(store, spec, grad, how);
    gradients.drop(spec.name);
  }
}

async function updateOne(store: ParamStore, spec: ParamSpec, grad: Tensor, how: Update): Promise<void> {
  const { optimizer, parts, ...context } = how;
  const value = await store.piece(spec.name);
  if (!value.size) return store.update(spec.name, value); // an empty chunk: others have the elements
  const slots = (await store.slots(spec.name)) ?? Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
  const { average } = spec;
  const [next, ...rest] = tf.tidy(() =>
    average === undefined
      ? optimizer.update(value, grad, slots, { spec, ...context })
      : [value.mul(average).add(grad.mul((1 - average) / parts)), ...slots.map((slot) => slot.clone())],
  );
  tf.dispose([value, ...slots]);
  await store.update(spec.name, next!);
  await store.keepSlots(spec.name, rest);
}
