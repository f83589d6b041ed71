// The kernels that Orthant's segments and optimizers call by name, but for attention and those that are tfjs's own in other words.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import {
  adamwConstants,
  adamw as adamwSource,
  addGradient as addSource,
  gelu,
  geluGrad as geluGradSource,
} from "../sources/optimizer.ts";
import { bytesOf, type Stored } from "../sources/prelude.ts";
import {
  type Hold,
  holdFor,
  holdForGrad,
  holdName,
  layerNormGrad as normGradSource,
  layerNorm as normSource,
  normSums,
  WIDEST_ROW,
} from "../sources/rows.ts";
import { combine } from "./arithmetic.ts";
import { blocks, sizeOf } from "./dims.ts";
import { apply } from "./elementwise.ts";
import { launchRows, partsOf, reduce } from "./reductions.ts";
import type { Attributes, Inputs, Table } from "./table.ts";

/** Activations are bf16 where that is the precision. */
const activation = (b: CudaBackend) => (b.precision === "bf16" ? "bf16" : "f32");

function layerNorm(b: CudaBackend, { x, gain, bias }: Inputs, { center, epsilon }: Attributes): TensorInfo[] {
  const [N, D] = x!.shape as [number, number];
  if (D > WIDEST_ROW) throw new Error(`device cuda: layer norm of rows of ${D}; ${WIDEST_ROW} is the widest`);
  const { stored } = b.entry(x!.dataId);
  const [y, stat] = [b.output([N, D], "float32", activation(b)), b.output([N, 2], "float32")];
  const hold = holdFor(D);
  const name = `layerNorm${holdName(hold)}_${stored}_${activation(b)}`;
  const launch = b.program(name, () => normSource(name, stored, activation(b), hold));
  const [from, row, to] = [b.address(x!), bias ? b.address(bias) : 0, b.address(y)];
  const rest = [b.address(stat), N, D, Number(center), epsilon as number];
  launch(blocks(N, hold.rows), 1, hold.threads * hold.rows, from, b.address(gain!), row, to, ...rest);
  return [y, stat];
}

/** Blocks that the gradient of a norm of N rows of D runs in: as few as keep the card's memory busy, each of some rows. */
function blocksOfGrad(b: CudaBackend, N: number, D: number, { rows }: Hold): number {
  const each = rows === 1 ? 4 : Math.min(4, Math.ceil(768 / D));
  return Math.max(1, Math.min(each * b.gpu.processors, blocks(N, 2 * rows)));
}

/** dx is stored as x is: the gradient of a float32 stream is one. Gradients of gain and bias are parts of rows, then their sums. */
function layerNormGrad(b: CudaBackend, { dy, x, stat, gain }: Inputs, attrs: Attributes): TensorInfo[] {
  const [N, D] = x!.shape as [number, number];
  const center = attrs.center as boolean;
  const [from, of] = [b.entry(dy!.dataId).stored, b.entry(x!.dataId).stored];
  const dx = b.output([N, D], "float32", of);
  const hold = holdForGrad(D);
  const name = `layerNormGrad${holdName(hold)}_${from}_${of}${center ? "" : "_rms"}`;
  const launch = b.program(name, () => normGradSource(name, from, of, of, hold, center));
  const wide = center ? 2 * D : D;
  const count = blocksOfGrad(b, N, D, hold);
  const parts = b.output([count, wide], "float32");
  const given = [dy!, x!, stat!, gain!, dx, parts].map((each) => b.address(each));
  launch(count, 1, hold.threads * hold.rows, ...given, N, D);
  const sums = Array.from({ length: wide / D }, () => b.output([D], "float32"));
  const [gains, biases] = [b.address(sums[0]!), center ? b.address(sums[1]!) : 0];
  const add = b.program("normSums", () => normSums("normSums"));
  add(blocks(wide, 32), 1, 1024, b.address(parts), gains, biases, count, D, wide);
  b.release(parts);
  return [dx, ...sums];
}

/** gelu(x) and its gradient. */
export function geluGrad(b: CudaBackend, { x, dy }: Inputs): TensorInfo[] {
  const [first, second] = [b.entry(x!.dataId).stored, b.entry(dy!.dataId).stored];
  const stored = first === "bf16" && second === "bf16" ? "bf16" : "f32";
  const [y, dx] = [b.output(x!.shape, "float32", stored), b.output(x!.shape, "float32", stored)];
  const n = sizeOf(x!.shape);
  const name = `geluGrad_${first}_${second}_${stored}`;
  const launch = b.program(name, () => geluGradSource(name, first, second, stored));
  if (n) launch(blocks(n, 1024), 1, 256, ...[x!, dy!, y, dx].map((each) => b.address(each)), n);
  return [y, dx];
}

/** Where the old value has a bf16 copy, the new one gets it here, without another pass. */
function adamw(b: CudaBackend, { value, grad, m, v }: Inputs, attrs: Attributes): TensorInfo[] {
  const outputs = [value!, m!, v!].map((x) => b.output(x.shape, "float32"));
  const n = sizeOf(value!.shape);
  const entry = b.entry(outputs[0]!.dataId);
  const half = b.entry(value!.dataId).half !== 0;
  if (half) entry.half = b.memoryPool.take(n * bytesOf.bf16, "bf16, for products", value!.shape);
  const { stored } = b.entry(grad!.dataId);
  const name = `adamw_${stored}${half ? "_half" : ""}`;
  const launch = b.program(name, () => adamwSource(name, stored, half));
  const addresses = [value!, grad!, m!, v!, ...outputs].map((x) => b.address(x));
  const constants = adamwConstants.map((key) => attrs[key] as number);
  if (n) launch(blocks(n, 1024), 1, 256, ...addresses, entry.half, n, ...constants);
  return outputs;
}

/** Partial sums of the squares of elements `from .. to - 1`, `[parts]`. */
function sumOfSquares(b: CudaBackend, x: TensorInfo, { from, to }: { from: number; to: number }): TensorInfo {
  const { stored } = b.entry(x.dataId);
  const at = { O: 1, R: to - from, I: 1 };
  const parts = partsOf(at, 1, b.gpu.processors);
  const y = b.output([parts], "float32");
  const start = b.address(x) + from * bytesOf[stored];
  const wanted = { kind: "Sum", input: stored, output: "f32", each: "x * x" } as const;
  launchRows(b, wanted, `squares_${stored}`, start, b.address(y), at, parts, 1);
  return y;
}

/** The sum and, where products read bf16, its bf16 copy in the same pass. */
function addGradient(b: CudaBackend, { seen, dx }: Inputs): TensorInfo {
  const n = sizeOf(seen!.shape);
  const [first, second] = [seen!, dx!].map((x) => b.entry(x.dataId).stored) as [Stored, Stored];
  if (b.precision !== "bf16" || (first === "bf16" && second === "bf16") || !n) return combine(b, "Add", seen!, dx!);
  const y = b.output(seen!.shape, "float32");
  const entry = b.entry(y.dataId);
  entry.half = b.memoryPool.take(n * bytesOf.bf16, "bf16, for products", y.shape);
  const name = `addGradient_${first}_${second}`;
  const launch = b.program(name, () => addSource(name, first, second));
  launch(blocks(n, 1024), 1, 256, ...[seen!, dx!, y].map((x) => b.address(x)), entry.half, n);
  return y;
}

export const named: Table = {
  "orthant.addGradient": addGradient,
  "orthant.adamw": adamw,
  "orthant.addBranch": (b, { stream, branch, row }) =>
    apply(
      b,
      { name: "Add3", text: "a + b + c" },
      [stream!, branch!, row!],
      stream!.shape,
      "float32",
      b.residual === "bf16" ? "bf16" : undefined,
    ),
  "orthant.addRow": (b, { x, row }) => combine(b, "Add", x!, row!),
  "orthant.columnSums": (b, { x }) => {
    const [N, D] = x!.shape as [number, number];
    return reduce(b, { kind: "Sum" }, x!, { O: 1, R: N, I: D }, [D], "float32");
  },
  "orthant.gelu": (b, { x }) => apply(b, { name: "gelu", text: gelu }, [x!], x!.shape, "float32"),
  "orthant.geluGrad": geluGrad,
  "orthant.layerNorm": layerNorm,
  "orthant.layerNormGrad": layerNormGrad,
  "orthant.sumOfSquares": (b, { x }, attrs) => sumOfSquares(b, x!, attrs as { from: number; to: number }),
};
