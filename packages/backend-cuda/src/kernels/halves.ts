// float32 tensors as halves and back, for a library that takes no float32: as many bits as TF32 keeps, a smaller range. What may be
// small, a gradient, is scaled by a power of two into that range first.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { fromHalves, toHalves } from "../sources/halves.ts";
import { blocks, sizeOf } from "./dims.ts";
import { reduce } from "./reductions.ts";

/** Memory of halves, the caller's to give back. */
export interface Halves {
  readonly address: number;
  readonly bytes: number;
  /** The largest magnitude, where the halves were scaled by it. */
  readonly largest?: TensorInfo | undefined;
}

function largestOf(b: CudaBackend, x: TensorInfo): TensorInfo {
  const wanted = { kind: "Max", name: "Abs", each: "fabsf(x)" };
  return reduce(b, wanted, x, { O: 1, R: sizeOf(x.shape), I: 1 }, [], "float32");
}

/** A tensor's elements as halves, those too large as the largest; scaled so that the largest is near 8, or memory for a result. */
export function halved(b: CudaBackend, x: TensorInfo, how: "plain" | "scaled" | "empty" = "plain"): Halves {
  const n = sizeOf(x.shape);
  const at = { address: b.memoryPool.take(2 * n, "float32 as halves"), bytes: 2 * n };
  if (how === "empty") return at;
  const largest = how === "scaled" ? largestOf(b, x) : undefined;
  const launch = b.program("toHalves", () => toHalves("toHalves"));
  launch(blocks(n, 1024), 1, 256, b.address(x), largest ? b.address(largest) : 0, at.address, n);
  return { ...at, largest };
}

/** Writes halves into a float32 tensor, scaled back. */
export function widened(b: CudaBackend, { address, largest }: Halves, y: TensorInfo): void {
  const n = sizeOf(y.shape);
  const launch = b.program("fromHalves", () => fromHalves("fromHalves"));
  launch(blocks(n, 1024), 1, 256, address, largest ? b.address(largest) : 0, b.address(y), n);
}
