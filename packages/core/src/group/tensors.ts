// Tensors as vectors and back: what a group does on either side of its collectives.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { copiesVectors, readTensors } from "../devices/read.ts";
import type { Shape } from "../model/segment.ts";
import type { Frame } from "../transports/endpoint.ts";
import { concat, cut, lengthOf, toVector, type Vector } from "./vectors.ts";

/** What tensors can be read as: a bool is a byte. */
export type Carried = Float32Array | Int32Array | Uint8Array;

const dtypes: Partial<Record<string, tf.DataType>> = { float32: "float32", int32: "int32", uint8: "bool" };

/** Disposes tensors and throws where they have no numbers to send, or several dtypes. `key` names the call. */
export function checkTensors(key: string, xs: readonly Tensor[]): void {
  if (xs.every((x) => x.dtype === "float32")) return;
  const [dtype = "float32", ...others] = new Set(xs.map((x) => x.dtype));
  if (others.length === 0 && Object.values(dtypes).includes(dtype)) return;
  tf.dispose([...xs]);
  const why =
    others.length > 0
      ? `${[dtype, ...others].join(" and ")} tensors in one call: make a call for each dtype`
      : `${dtype} tensors: send float32, int32 or bool, or exchange() the bytes`;
  throw new Error(`${key}: ${why}`);
}

/** Gives a tensor another shape; it is this call's to dispose. */
export function reshaped(x: Tensor, shape: Shape): Tensor {
  if (x.shape.length === shape.length && shape.every((n, d) => n === x.shape[d])) return x;
  const y = x.reshape([...shape]);
  x.dispose();
  return y;
}

/** Makes a tensor of numbers: of float32, int32, or bytes that are bools. */
export const toTensor = (vector: Carried, shape: Shape): Tensor => {
  const dtype = vector instanceof Float32Array ? "float32" : vector instanceof Int32Array ? "int32" : "bool";
  return tf.tensor(vector, [...shape], dtype);
};

/** Makes the tensor that a frame carries. Throws where tfjs has no such dtype. */
export function tensorOf(key: string, frame: Frame): Tensor {
  if (dtypes[frame.dtype]) return toTensor(toVector(frame) as Carried, frame.shape);
  throw new Error(`${key}: a frame of ${frame.dtype}, which no tensor has: exchange() the bytes`);
}

/**
 * Buffers to read tensors into and to receive into, used again: the first touch of fresh pages costs as much as the copy into
 * them. Only where the device copies vectors.
 */
export class Spare {
  readonly #free = new Map<number, Float32Array[]>();

  /** Gives neighbours of `sizes` elements. */
  take(sizes: readonly number[]): Float32Array[] {
    const length = sizes.reduce((sum, size) => sum + size, 0);
    return cut(this.#free.get(length)?.pop() ?? new Float32Array(length), sizes);
  }

  /** Takes back what `take` gave. */
  give(vectors: readonly Vector[]): void {
    if (!copiesVectors() || !(vectors[0] instanceof Float32Array)) return;
    const whole = concat(vectors as readonly Float32Array[]);
    this.#free.set(lengthOf(vectors), [...(this.#free.get(whole.length) ?? []), whole]);
  }

  /** Vectors of `sizes` elements of the same kind as `like`, to be given back. */
  roomLike(like: Carried, sizes: readonly number[]): Carried[] {
    if (like instanceof Float32Array) return this.take(sizes);
    return sizes.map((size) => (like instanceof Int32Array ? new Int32Array(size) : new Uint8Array(size)));
  }

  /** Reads tensors of one dtype into vectors to be given back, and disposes the tensors. */
  async readAndDispose(xs: readonly Tensor[]): Promise<Carried[]> {
    try {
      if (xs[0]?.dtype === "float32") return await readTensors(xs, (sizes) => this.take(sizes));
      return await Promise.all(xs.map(async (x) => (await x.data()) as Carried));
    } finally {
      tf.dispose([...xs]);
    }
  }
}
