// `orthant.crossEntropy` and its gradient: logits `[N, V]`, target `[N]` int32 -> the sum over rows of `-log p(target)`, and each
// row's log-sum-exp for the gradient.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { crossEntropyGrad as gradSource, crossEntropy as source, type Wide } from "../sources/cross-entropy.ts";
import { bytesOf } from "../sources/prelude.ts";
import { reduce } from "./reductions.ts";
import { threadsFor } from "./softmax.ts";
import type { Inputs, Table } from "./table.ts";

/** Threads that read a row of logits: small blocks, so that others read while one adds up. */
const readers = (V: number): number => Math.min(512, threadsFor(V));

function crossEntropy(b: CudaBackend, { logits, target }: Inputs): TensorInfo[] {
  const [N, V] = logits!.shape as [number, number];
  const { stored } = b.entry(logits!.dataId);
  const [losses, lse] = [b.output([N], "float32"), b.output([N], "float32")];
  const wide: Wide = ([8, 4] as const).find((w) => V % w === 0 && w * bytesOf[stored] <= 16) ?? 1;
  const name = `crossEntropy${wide}_${stored}`;
  const launch = b.program(name, () => source(name, stored, wide));
  launch(N, 1, readers(V), ...[logits!, target!, losses, lse].map((x) => b.address(x)), V);
  const loss = reduce(b, { kind: "Sum" }, losses, { O: 1, R: N, I: 1 }, [], "float32");
  b.release(losses);
  return [loss, lse];
}

function crossEntropyGrad(b: CudaBackend, { logits, target, lse, dy }: Inputs): TensorInfo {
  const [N, V] = logits!.shape as [number, number];
  const { stored } = b.entry(logits!.dataId);
  const y = b.output(logits!.shape, "float32", stored);
  const name = `crossEntropyGrad_${stored}`;
  const launch = b.program(name, () => gradSource(name, stored));
  launch(N, 1, threadsFor(V), ...[logits!, target!, lse!, dy!, y].map((x) => b.address(x)), V);
  return y;
}

export const losses: Table = { "orthant.crossEntropy": crossEntropy, "orthant.crossEntropyGrad": crossEntropyGrad };
