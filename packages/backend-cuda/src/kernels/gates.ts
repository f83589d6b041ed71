// Gated units and rotary positions by name, and tfjs's TopK.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import {
  rotary as rotarySource,
  swiglu,
  swigluGrad as swigluGradSource,
  topK as topKSource,
} from "../sources/gates.ts";
import { blocks, sizeOf } from "./dims.ts";
import { apply } from "./elementwise.ts";
import { storedAs } from "./moves.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

function swigluGrad(b: CudaBackend, { gate, up, dy }: Inputs): TensorInfo[] {
  const low = [gate!, up!].every((x) => b.entry(x.dataId).stored === "bf16");
  const stored = low ? "bf16" : "f32";
  const xs = [gate!, up!].map((x) => storedAs(b, x, stored));
  const from = b.entry(dy!.dataId).stored;
  const ys = [0, 1, 2].map(() => b.output(gate!.shape, "float32", stored));
  const [n, name] = [sizeOf(gate!.shape), `swigluGrad_${stored}_${from}`];
  const launch = b.program(name, () => swigluGradSource(name, stored, from));
  if (n) launch(blocks(n, 1024), 1, 256, ...[...xs, dy!, ...ys].map((x) => b.address(x)), n);
  b.release(...xs);
  return ys;
}

/** x `[P, T, K]` turned by position; the frequencies go along. */
function rotary(b: CudaBackend, { x }: Inputs, attrs: Attributes): TensorInfo {
  const [P, T, K] = x!.shape as [number, number, number];
  const frequencies = Float32Array.from(attrs.frequencies as readonly number[]);
  const { stored } = b.entry(x!.dataId);
  const y = b.output(x!.shape, "float32", stored);
  const at = b.memoryPool.take(frequencies.byteLength, "frequencies of rotary positions");
  b.gpu.upload(at, new Uint8Array(frequencies.buffer));
  const [n, name] = [(P * T * K) / 2, `rotary_${stored}`];
  const launch = b.program(name, () => rotarySource(name, stored));
  if (n) launch(blocks(n, 256), 1, 256, b.address(x!), at, b.address(y), n, T, K / 2, attrs.back ? -1 : 1);
  b.memoryPool.give(at, frequencies.byteLength);
  return y;
}

/** The k largest of each row, sorted, and where they are. */
function topK(b: CudaBackend, { x }: Inputs, attrs: Attributes): TensorInfo[] {
  const k = attrs.k as number;
  const R = x!.shape.at(-1)!;
  const shape = x!.shape.with(-1, k);
  const { stored } = b.entry(x!.dataId);
  const [values, places] = [b.output(shape, x!.dtype, stored), b.output(shape, "int32")];
  const name = `topK_${stored}`;
  const launch = b.program(name, () => topKSource(name, stored));
  const N = sizeOf(x!.shape) / Math.max(1, R);
  if (N && k) launch(N, 1, 256, ...[x!, values, places].map((each) => b.address(each)), R, k);
  return [values, places];
}

export const gates: Table = {
  TopK: topK,
  "orthant.rotary": rotary,
  "orthant.swiglu": (b, { gate, up }) =>
    apply(b, { name: "swiglu", text: swiglu }, [gate!, up!], gate!.shape, "float32"),
  "orthant.swigluGrad": swigluGrad,
};
