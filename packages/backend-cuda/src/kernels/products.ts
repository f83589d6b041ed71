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
  entry.half = b.memoryPool.take(entry.size * bytesOf.bf16, "bf16, for products", x.shape);
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

function operand(x: TensorInfo): Operand {
  const { shape } = x;
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return { x, rows, columns, batch: shape.length === 2 ? 1 : sizeOf(shape.slice(0, -2)) };
}

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

/** Runs a product. float32 operands that products read as bf16 get copies that last; others last for this product. */
function launch(b: CudaBackend, product: Product, a: Operand, c: Operand, wanted: Multiply, d: TensorInfo): void {
  const low = product.typeAB === "bf16";
  const [first, second] = low ? [a.x, c.x] : [storedAs(b, a.x, "f32"), storedAs(b, c.x, "f32")];
  const { bias, beside } = wanted;
  b.gpu.multiply(product, {
    a: low ? halfAddress(b, first) : b.address(first),
    b: low ? halfAddress(b, second) : b.address(second),
    bias: bias ? (product.typeD === "bf16" ? halfAddress(b, bias) : b.address(bias)) : 0,
    beside: beside ? b.address(beside) : 0,
    d: b.address(d),
  });
  if (!low) b.release(first, second);
}

/** The product of operands whose batch dims are of `batch` already. */
function computed(b: CudaBackend, a: Operand, c: Operand, batch: readonly number[], wanted: Multiply): TensorInfo {
  checkInner(a.x, c.x, [wanted.transposeA ? a.rows : a.columns, wanted.transposeB ? c.columns : c.rows], wanted);
  const product = flattened(plan(b, a, c, sizeOf(batch), wanted));
  const shape = [...batch, wanted.transposeA ? a.columns : a.rows, product.n];
  if (!sizeOf(shape) || !product.k) return fill(b, shape, 0, "float32");
  const d = b.output(shape, "float32", product.typeD);
  launch(b, product, a, c, wanted, d);
  return d;
}

/** Computes `op(a) op(c)` over batch dims that broadcast, with an epilogue. */
export function multiply(b: CudaBackend, a: TensorInfo, c: TensorInfo, wanted: Multiply = {}): TensorInfo {
  const ranks = [a.shape.length, c.shape.length];
  if (ranks[0] === 2 && ranks[1] === 2) return computed(b, operand(a), operand(c), [], wanted);
  util.assert(Math.min(...ranks) >= 2, () => `Error in matMul: inputs must have at least rank 2, got ranks ${ranks}.`);
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), c.shape.slice(0, -2));
  const [wideA, wideC] = [overBatch(b, a, batch), overBatch(b, c, batch)];
  const d = computed(b, operand(wideA), operand(wideC), batch, wanted);
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
  const dtype = a!.dtype === c!.dtype ? a!.dtype : upcastType(a!.dtype, c!.dtype);
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
