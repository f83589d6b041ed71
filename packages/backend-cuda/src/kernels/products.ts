// Matrix products, batched, with transposes, bias and activation. What is stored as bf16 and where (precision "bf16"): operands
// always, results except those of `transposeA`, which are gradients of weights and stay float32.
import { backend_util, type TensorInfo, upcastType, util } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import type { Product } from "../driver/gpu.ts";
import { gelu } from "../sources/optimizer.ts";
import { bytesOf } from "../sources/prelude.ts";
import { cast, combine, fill, map } from "./arithmetic.ts";
import { sizeOf } from "./dims.ts";
import { apply } from "./elementwise.ts";
import { storedAs } from "./moves.ts";
import { geluGrad } from "./named.ts";
import { broadcast } from "./shapes.ts";
import type { Attributes, Compute, Inputs, Table } from "./table.ts";

/** Address of a float32 tensor's elements as bf16: its own, or a copy that lives as long as the tensor. */
function halfAddress(b: CudaBackend, x: TensorInfo): number {
  const entry = b.entry(x.dataId);
  if (entry.stored === "bf16") return b.address(x);
  if (entry.half) return entry.half;
  entry.half = b.memoryPool.take(entry.size * bytesOf.bf16, `bf16 copy of a tensor [${x.shape}]`);
  b.narrow(b.address(x), entry.half, entry.size);
  return entry.half;
}

/** A matrix operand, its batch dims apart. */
interface Operand {
  readonly x: TensorInfo;
  readonly rows: number;
  readonly columns: number;
  readonly batch: number;
}

const operand = (x: TensorInfo): Operand => {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  return { x, rows, columns, batch: sizeOf(x.shape.slice(0, -2)) };
};

/** An operand whose batch dims are all of `batch`, or one matrix for all. */
function overBatch(b: CudaBackend, x: TensorInfo, batch: readonly number[]): TensorInfo {
  const own = sizeOf(x.shape.slice(0, -2));
  if (own === 1 || own === sizeOf(batch)) return b.share(x);
  return broadcast(b, x, [...batch, ...x.shape.slice(-2)]);
}

export interface Multiply {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly epilogue?: Product["epilogue"];
  readonly bias?: TensorInfo | undefined;
  /** What gelu's epilogues write or read: of the result's shape, stored as it is. */
  readonly beside?: TensorInfo | undefined;
}

function checkInner(
  a: TensorInfo,
  b: TensorInfo,
  inner: readonly [number, number],
  { transposeA = false, transposeB = false }: Multiply,
): void {
  if (inner[0] === inner[1]) return;
  throw new Error(
    `Error in matMul: inner shapes (${inner[0]}) and (${inner[1]}) of Tensors with shapes ${a.shape} and ${b.shape} ` +
      `and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
}

/** What the product looks like to the library. */
function plan(b: CudaBackend, a: Operand, c: Operand, batch: number, wanted: Multiply): Product {
  const { transposeA = false, transposeB = false, epilogue = "none" } = wanted;
  const [m, k] = transposeA ? [a.columns, a.rows] : [a.rows, a.columns];
  const n = transposeB ? c.rows : c.columns;
  const low = b.precision === "bf16";
  const typeAB = low ? "bf16" : "f32";
  const typeD = low && !transposeA ? "bf16" : "f32";
  const stride = (at: Operand) => (at.batch === 1 ? 0 : at.rows * at.columns);
  return { m, n, k, transposeA, transposeB, typeAB, typeD, batch, strideA: stride(a), strideB: stride(c), epilogue };
}

/** One matrix for all of a batch of rows is one product of more rows. */
function flattened(product: Product): Product {
  if (product.batch === 1 || product.strideB || product.transposeA || !product.strideA) return product;
  return { ...product, m: product.m * product.batch, batch: 1, strideA: 0 };
}

function launch(
  b: CudaBackend,
  product: Product,
  a: TensorInfo,
  c: TensorInfo,
  { bias, beside }: Multiply,
  d: TensorInfo,
): void {
  const at = (x: TensorInfo) => (product.typeAB === "bf16" ? halfAddress(b, x) : b.address(x));
  const [first, second] = [floats(b, a, product), floats(b, c, product)];
  const row = bias && (product.typeD === "bf16" ? halfAddress(b, bias) : b.address(bias));
  b.gpu.multiply(product, {
    a: at(first),
    b: at(second),
    bias: row ?? 0,
    beside: beside ? b.address(beside) : 0,
    d: b.address(d),
  });
  b.release(first, second);
}

/** An operand as the library can read it. */
const floats = (b: CudaBackend, x: TensorInfo, { typeAB }: Product): TensorInfo =>
  typeAB === "bf16" ? b.share(x) : storedAs(b, x, "f32");

/** Computes `op(a) op(c)` over batch dims that broadcast, with an epilogue. */
export function multiply(b: CudaBackend, a: TensorInfo, c: TensorInfo, wanted: Multiply = {}): TensorInfo {
  const ranks = [a.shape.length, c.shape.length];
  util.assert(Math.min(...ranks) >= 2, () => `Error in matMul: inputs must have at least rank 2, got ranks ${ranks}.`);
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), c.shape.slice(0, -2));
  const [wideA, wideC] = [overBatch(b, a, batch), overBatch(b, c, batch)];
  const [left, right] = [operand(wideA), operand(wideC)];
  const product = flattened(plan(b, left, right, sizeOf(batch), wanted));
  checkInner(
    a,
    c,
    [wanted.transposeA ? left.rows : left.columns, wanted.transposeB ? right.columns : right.rows],
    wanted,
  );
  const rows = wanted.transposeA ? left.columns : left.rows;
  const shape = [...batch, rows, product.n];
  const d = sizeOf(shape) && product.k ? b.output(shape, "float32", product.typeD) : fill(b, shape, 0, "float32");
  if (sizeOf(shape) && product.k) launch(b, product, wideA, wideC, wanted, d);
  b.release(wideA, wideC);
  return d;
}

const activations: Readonly<Record<string, string>> = { relu: "Relu", relu6: "Relu6", elu: "Elu", sigmoid: "Sigmoid" };

/** Puts an activation of tfjs's names on a tensor, which is released. */
export function activate(b: CudaBackend, x: TensorInfo, attrs: Attributes, prelu?: TensorInfo): TensorInfo {
  const name = attrs.activation as string | undefined;
  if (!name || name === "linear") return x;
  const y = activated(b, x, name, attrs, prelu);
  b.release(x);
  return y;
}

function activated(b: CudaBackend, x: TensorInfo, name: string, attrs: Attributes, prelu?: TensorInfo): TensorInfo {
  if (name === "prelu") return combine(b, "Prelu", x, prelu!);
  if (name !== "leakyrelu") return map(b, activations[name] ?? name, x);
  const expression = { name: "LeakyRelu", text: "(a < 0 ? s0 * a : a)", constants: [attrs.leakyreluAlpha as number] };
  return apply(b, expression, [x], x.shape, x.dtype);
}

/** Whether the library can add the bias: one number a column. */
const fusible = (bias: TensorInfo | undefined, n: number): boolean =>
  bias !== undefined && sizeOf(bias.shape) === n && bias.shape.at(-1) === n && n > 1;

function fused(b: CudaBackend, { a, b: c, bias, preluActivationWeights }: Inputs, attrs: Attributes): TensorInfo {
  const { transposeA, transposeB, activation } = attrs as {
    transposeA: boolean;
    transposeB: boolean;
    activation?: string;
  };
  const n = c!.shape.at(transposeB ? -2 : -1)!;
  const inside = fusible(bias, n);
  const relu = activation === "relu" && (inside || !bias);
  const epilogue = inside ? (relu ? "reluBias" : "bias") : relu ? "relu" : "none";
  let y = multiply(b, a!, c!, { transposeA, transposeB, epilogue, bias: inside ? bias : undefined });
  if (bias && !inside) {
    const product = y;
    y = combine(b, "Add", product, bias);
    b.release(product);
  }
  return relu ? y : activate(b, y, attrs, preluActivationWeights);
}

/** Whole numbers are multiplied as float32: exact up to 2^24. */
const batched: Compute = (b, { a, b: c }, attrs) => {
  const y = multiply(b, a!, c!, attrs as Multiply);
  const dtype = upcastType(a!.dtype, c!.dtype);
  if (dtype === "float32") return y;
  const whole = cast(b, y, dtype);
  b.release(y);
  return whole;
};

/** Whether the library has a product of two matrices with an epilogue. */
function has(b: CudaBackend, a: TensorInfo, c: TensorInfo, wanted: Multiply): boolean {
  return b.gpu.multiplies(plan(b, operand(a), operand(c), 1, wanted));
}

/** gelu(x w + bias); what went into gelu, which keeps a share of the result. */
function geluProduct(b: CudaBackend, { x, w, bias }: Inputs): TensorInfo[] {
  const [N, F] = [x!.shape[0]!, w!.shape[1]!];
  let [y, hidden]: TensorInfo[] = [];
  if (has(b, x!, w!, { epilogue: "geluBias" })) {
    hidden = b.output([N, F], "float32", b.precision === "bf16" ? "bf16" : "f32");
    y = multiply(b, x!, w!, { epilogue: "geluBias", bias, beside: hidden });
  } else {
    hidden = multiply(b, x!, w!, { epilogue: "bias", bias });
    y = apply(b, { name: "gelu", text: gelu }, [hidden], hidden.shape, "float32");
  }
  b.keep(hidden, y);
  return [y, hidden];
}

function geluProductGrad(b: CudaBackend, { dy, w, kept }: Inputs): TensorInfo[] {
  const y = b.share(b.kept(kept!));
  const wanted = { transposeB: true, epilogue: "geluGrad" } as const;
  if (has(b, dy!, w!, wanted)) return [y, multiply(b, dy!, w!, { ...wanted, beside: kept! })];
  const slope = multiply(b, dy!, w!, { transposeB: true });
  const [again, dx] = geluGrad(b, { x: kept!, dy: slope });
  b.release(slope, again!);
  return [y, dx!];
}

export const products: Table = {
  _FusedMatMul: fused,
  BatchMatMul: batched,
  "orthant.geluProduct": geluProduct,
  "orthant.geluProductGrad": geluProductGrad,
};
