// Sum of squares on the wasm heap, in double precision.
import type { Tensor } from "@tensorflow/tfjs";
import type { Range } from "../kernels/squares.ts";
import { allocate, floats } from "./heap.ts";

/** Three float32 numbers hold a double whole: their sum, largest first, is the sum of squares bit for bit. */
export function sumOfSquares({ x }: { readonly x: Tensor }, { from, to }: Range): Tensor {
  const parts = allocate([3]);
  const values = floats(x).subarray(from, to);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  const high = Math.fround(sum);
  const rest = Number.isFinite(high) ? sum - high : 0;
  floats(parts).set([high, Math.fround(rest), rest - Math.fround(rest)]);
  return parts;
}
