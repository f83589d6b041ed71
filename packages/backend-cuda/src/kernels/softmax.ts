// Softmax along the last dim, its logarithm, and the causal softmax that attention is made of.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { holdFor, holdName, WIDEST_ROW } from "../sources/rows.ts";
import { causalRows, causalRowsGrad, softmaxHeld, softmaxRows } from "../sources/softmax.ts";
import { blocks, sizeOf } from "./dims.ts";
import { storedAs } from "./moves.ts";
import type { Compute, Table } from "./table.ts";

/** Threads for a row: enough to hide its reads, no more than it has elements. */
export const threadsFor = (R: number): number => (R <= 128 ? 32 : R <= 1024 ? 128 : R <= 8192 ? 256 : 1024);

const rows =
  (name: string, log: boolean): Compute =>
  (b, { logits }) => {
    const x = logits!;
    const R = x.shape.at(-1)!;
    const { stored } = b.entry(x.dataId);
    const y = b.output(x.shape, "float32", stored === "bf16" ? "bf16" : "f32");
    const output = b.entry(y.dataId).stored;
    const N = sizeOf(x.shape) / R;
    if (N && R <= WIDEST_ROW) {
      const hold = holdFor(R);
      const narrow = `${name}${holdName(hold)}_${stored}_${output}`;
      const launch = b.program(narrow, () => softmaxHeld(narrow, stored, output, log, hold));
      launch(blocks(N, hold.rows), 1, hold.threads * hold.rows, b.address(x), b.address(y), N, R);
      return y;
    }
    const kernel = `${name}_${stored}_${output}`;
    if (N)
      b.program(kernel, () => softmaxRows(kernel, stored, output, log))(
        N,
        1,
        threadsFor(R),
        b.address(x),
        b.address(y),
        R,
      );
    return y;
  };

/** `softmax(scale score)` of rows up to the diagonal: score `[P, T, T]`. */
export function causalSoftmax(b: CudaBackend, score: TensorInfo, scale: number): TensorInfo {
  const { stored } = b.entry(score.dataId);
  const [P, T] = score.shape as [number, number];
  const y = b.output(score.shape, "float32", stored);
  const name = `causalSoftmax_${stored}`;
  b.program(name, () => causalRows(name, stored))(P * T, 1, threadsFor(T), b.address(score), b.address(y), T, scale);
  return y;
}

/** Gradient of `causalSoftmax` by the scores. */
export function causalSoftmaxGrad(b: CudaBackend, p: TensorInfo, dp: TensorInfo, scale: number): TensorInfo {
  const { stored } = b.entry(p.dataId);
  const alike = storedAs(b, dp, stored);
  const [P, T] = p.shape as [number, number];
  const y = b.output(p.shape, "float32", stored);
  const name = `causalSoftmaxGrad_${stored}`;
  const launch = b.program(name, () => causalRowsGrad(name, stored));
  launch(P * T, 1, threadsFor(T), b.address(p), b.address(alike), b.address(y), T, scale);
  b.release(alike);
  return y;
}

export const softmax: Table = {
  LogSoftmax: rows("LogSoftmax", true),
  Softmax: rows("Softmax", false),
  "orthant.causalSoftmax": (b, { score }, { scale }) => causalSoftmax(b, score!, scale as number),
  "orthant.causalSoftmaxGrad": (b, { p, dp }, { scale }) => causalSoftmaxGrad(b, p!, dp!, scale as number),
};
