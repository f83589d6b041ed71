// What the backend knows of one tensor's data, and how tfjs's types lie in device memory.
import type { DataType, TensorInfo } from "@tensorflow/tfjs";
import type { Stored } from "../sources/prelude.ts";

/** Also tfjs's data id: what is known of data is one step away from its tensor, without a map. */
export class Entry {
  readonly dtype: DataType;
  readonly stored: Stored;
  /** Number of elements. */
  readonly size: number;
  references: number;
  /** Address on the device; 0 until something there asks for it. */
  address = 0;
  /** The one element of a tensor of size 1 that came from the host: a parameter of kernels, never uploaded unless needed. */
  single: number | undefined = undefined;
  /** A bf16 copy of float32 data, made when a matrix product first asks for it. */
  half = 0;
  /** Another tensor that lives as long as this one: what a kernel keeps for its gradient beside what it says. */
  kept: TensorInfo | undefined = undefined;
  /** Strings stay on the host, as bytes in UTF-8. */
  strings: readonly Uint8Array[] | undefined = undefined;
  /** A complex tensor is two others. */
  complex: { readonly real: TensorInfo; readonly imag: TensorInfo } | undefined = undefined;
  /** False once the data is gone. */
  alive = true;

  constructor(dtype: DataType, stored: Stored, size: number, references = 1) {
    this.dtype = dtype;
    this.stored = stored;
    this.size = size;
    this.references = references;
  }
}

const storedAs: Readonly<Record<string, Stored>> = { float32: "f32", int32: "i32", bool: "u8" };

/** How a dtype lies on the device. Throws for those that never do. */
export function storage(dtype: DataType): Stored {
  const stored = storedAs[dtype];
  if (!stored) throw new Error(`device cuda computes with float32, int32 and bool, not with ${dtype}`);
  return stored;
}

const views = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;

/** Numbers of a dtype. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** A vector of a dtype on the host: zeros. */
export const hostVector = (dtype: DataType, size: number): Numbers => new views[storage(dtype) as "f32"](size);

/** Values as a vector of their dtype, without a copy where they are one. */
export function toNumbers(values: ArrayLike<number | boolean>, dtype: DataType): Numbers {
  const view = views[storage(dtype) as "f32"];
  return values instanceof view ? values : view.from(values as ArrayLike<number>);
}
