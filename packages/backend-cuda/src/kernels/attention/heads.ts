// Where attention finds queries, keys and values: apart, each `[P, T, K]`, or side by side, `[B, T, 3, H, K]`.
// B batch, T time, H heads, K width of one head, P = B H
import type { TensorInfo } from "@tensorflow/tfjs";
import type { HeadShape } from "../../driver/gpu.ts";
import type { Attributes, Inputs } from "../table.ts";

/** Where elements of heads are, of whatever type. */
export type Places = Omit<HeadShape, "type">;
export type Three = readonly [q: number, k: number, v: number];

/** Where queries, keys and values are: in one tensor of all three, or in three. */
export interface Heads {
  readonly xs: readonly TensorInfo[];
  readonly places: Places;
  readonly scale: number;
}

export const apart = ({ q, k, v }: Inputs, { scale }: Attributes): Heads => {
  const [P, T, K] = q!.shape as [number, number, number];
  return { xs: [q!, k!, v!], places: { B: P, T, H: 1, K, row: K }, scale: scale as number };
};

export const packed = ({ qkv }: Inputs, { scale }: Attributes): Heads => {
  const [B, T, , H, K] = qkv!.shape as [number, number, number, number, number];
  return { xs: [qkv!], places: { B, T, H, K, row: 3 * H * K }, scale: scale as number };
};

/** Addresses of the three, from those of the tensors that hold them. */
export const three = (addresses: readonly number[], { H, K }: Places, bytes: number): Three =>
  addresses.length === 3
    ? (addresses as unknown as Three)
    : [addresses[0]!, addresses[0]! + H * K * bytes, addresses[0]! + 2 * H * K * bytes];
