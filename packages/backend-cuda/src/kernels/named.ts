// The kernels that Orthant's segments and optimizers call by name, but for attention and those that are tfjs's own in other words.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { adamwConstants, adamw as adamwSource, gelu, geluGrad as geluGradSource } from "../sources/optimizer.ts";
import { bytesOf } from "../sources/prelude.ts";
import {
  gainGrad,
  heldBy,
  holders,
  layerNormGrad as normGradSource,
  layerNorm as normSource,
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
  const held = heldBy(D);
  const name = `layerNorm${held}_${stored}_${activation(b)}`;
  const launch = b.program(name, () => normSource(name, stored, activation(b), held));
  const given = [x!, gain!].map((each) => b.address(each));
  launch(
    N,
    1,
    holders(D),
    ...given,
    bias ? b.address(bias) : 0,
    b.address(y),
    b.address(stat),
    D,
    Number(center),
    epsilon as number,
  );
  return [y, stat];
}

/** Sums of `dy h` over rows: parts of them, then those. */
function gainGradient(b: CudaBackend, dy: TensorInfo, x: TensorInfo, stat: TensorInfo): TensorInfo {
  const [N, D] = x.shape as [number, number];
  const parts = Math.max(1, Math.min(64, Math.floor(N / 64)));
  const partial = b.output([parts, D], "float32");
  const name = `gainGrad_${b.entry(dy.dataId).stored}_${b.entry(x.dataId).stored}`;
  const launch = b.program(name, () => gainGrad(name, b.entry(dy.dataId).stored, b.entry(x.dataId).stored));
  launch(
    blocks(D, 32),
    parts,
    256,
    b.address(dy),
    b.address(x),
    b.address(stat),
    b.address(partial),
    N,
    D,
    Math.ceil(N / parts),
  );
  if (parts === 1) return { ...partial, shape: [D] };
  const sum = reduce(b, { kind: "Sum" }, partial, { O: 1, R: parts, I: D }, [D], "float32");
  b.release(partial);
  return sum;
}

/** dx is stored as dy is: the gradient of a float32 stream is one. */
function layerNormGrad(b: CudaBackend, { dy, x, stat, gain }: Inputs, { center }: Attributes): TensorInfo[] {
  const [N, D] = x!.shape as [number, number];
  const [from, of] = [b.entry(dy!.dataId).stored, b.entry(x!.dataId).stored];
  const dx = b.output([N, D], "float32", of);
  const held = heldBy(D);
  const name = `layerNormGrad${held}_${from}_${of}`;
  const launch = b.program(name, () => normGradSource(name, from, of, of, held));
  const given = [dy!, x!, stat!, gain!].map((each) => b.address(each));
  launch(N, 1, holders(D), ...given, b.address(dx), D, Number(center));
  return [dx, gainGradient(b, dy!, x!, stat!)];
}

function geluGrad(b: CudaBackend, { x, dy }: Inputs): TensorInfo[] {
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
  if (half) entry.half = b.memoryPool.take(n * bytesOf.bf16, `bf16 copy of a parameter [${value!.shape}]`);
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

export const named: Table = {
  "orthant.adamw": adamw,
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
