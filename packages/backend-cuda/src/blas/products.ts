// Matrix products by cuBLASLt: descriptors and the fastest algorithm are kept for each kind of product. cuBLAS counts columns
// first: row-major `D = A B` is column-major `D' = B' A'` on the same memory, so operands change places.

import { out } from "../driver/calls.ts";
import type { Operands, Product } from "../driver/gpu.ts";
import { addressOf } from "../library/load.ts";
import { type Context, code, describe } from "./lt.ts";

/** Number formats of the multiplication itself. */
export type Compute = keyof typeof code.compute;

/** A product whose descriptors are made. */
interface Prepared {
  readonly desc: number;
  readonly a: number;
  readonly b: number;
  readonly d: number;
  /** Algorithms, best guess first: each the memory that cuBLASLt wrote. */
  readonly algorithms: readonly Uint8Array[];
  /** Addresses that the description names: of the bias, and of what is read or written beside. */
  readonly bias: Pointer;
  readonly beside: Pointer;
  /** Address of the algorithm in use. */
  algorithm: number;
}

const [RESULT, ALGORITHM] = [96, 64];
/** Operations from which on algorithms are timed: below, the launch costs more than the product. */
const WORTH_TIMING = 2 ** 30;

const int = (value: number): Int32Array => Int32Array.of(value);

const show = (p: Product): string =>
  `${p.m},${p.n},${p.k},${+p.transposeA}${+p.transposeB},${p.typeAB},${p.typeD},${p.batch},${p.strideA},${p.strideB},${p.epilogue}`;

const same = (a: Product, b: Product): boolean =>
  a.m === b.m &&
  a.n === b.n &&
  a.k === b.k &&
  a.transposeA === b.transposeA &&
  a.transposeB === b.transposeB &&
  a.epilogue === b.epilogue &&
  a.batch === b.batch &&
  a.strideA === b.strideA &&
  a.strideB === b.strideB &&
  a.typeAB === b.typeAB &&
  a.typeD === b.typeD;

function layout(
  { calls }: Context,
  type: number,
  rows: number,
  columns: number,
  batch: number,
  stride: number,
): number {
  const made = out((into) => calls.layoutCreate(into, type, rows, columns, rows));
  if (batch > 1) {
    calls.layoutSet(made, code.layout.batch, int(batch), 4);
    calls.layoutSet(made, code.layout.stride, BigInt64Array.of(BigInt(stride)), 8);
  }
  return made;
}

function description({ calls }: Context, product: Product, compute: Compute): number {
  const desc = out((into) => calls.descCreate(into, code.compute[compute], code.type.f32));
  calls.descSet(desc, code.desc.transposeA, int(Number(product.transposeB)), 4);
  calls.descSet(desc, code.desc.transposeB, int(Number(product.transposeA)), 4);
  calls.descSet(desc, code.desc.epilogue, int(code.epilogue[product.epilogue]), 4);
  calls.descSet(desc, code.desc.biasType, int(code.type[product.typeD]), 4);
  if (!product.epilogue.startsWith("gelu")) return desc;
  calls.descSet(desc, code.desc.besideRow, BigInt64Array.of(BigInt(product.n)), 8);
  calls.descSet(desc, code.desc.besideType, int(code.type[product.typeD]), 4);
  return desc;
}

function algorithms(
  lt: Context,
  desc: number,
  [a, b, d]: readonly [number, number, number],
  wanted: number,
): Uint8Array[] {
  const results = new Uint8Array(new ArrayBuffer(RESULT * wanted)); // memory of its own does not move
  const into = [0];
  const code = lt.calls.heuristic(lt.handle, desc, a, b, d, d, lt.preference, wanted, results, into);
  const found = code ? 0 : into[0]!;
  return Array.from({ length: found }, (_, i) => results.subarray(RESULT * i, RESULT * i + ALGORITHM));
}

/** An address, and the memory from which the library takes it. */
interface Pointer {
  address: number;
  readonly memory: BigUint64Array;
}

const pointer = (): Pointer => ({ address: 0, memory: new BigUint64Array(new ArrayBuffer(8)) }); // memory of its own does not move

function pointTo({ calls }: Context, desc: number, attribute: number, held: Pointer, address: number): void {
  if (!address || held.address === address) return;
  held.address = address;
  held.memory[0] = BigInt(address);
  calls.descSet(desc, attribute, held.memory, 8);
}

/** A product made ready; undefined where the library has no algorithm for it. */
function prepare(lt: Context, product: Product, compute: Compute, wanted: number): Prepared | undefined {
  const { m, n, k, transposeA, transposeB, batch, strideA, strideB } = product;
  const [input, output] = [code.type[product.typeAB], code.type[product.typeD]];
  const desc = description(lt, product, compute);
  const a = transposeB ? layout(lt, input, k, n, batch, strideB) : layout(lt, input, n, k, batch, strideB);
  const b = transposeA ? layout(lt, input, m, k, batch, strideA) : layout(lt, input, k, m, batch, strideA);
  const d = layout(lt, output, n, m, batch, m * n);
  const [bias, beside] = [pointer(), pointer()];
  if (/bias/i.test(product.epilogue)) pointTo(lt, desc, code.desc.bias, bias, lt.workspace.address);
  if (/gelu/.test(product.epilogue)) pointTo(lt, desc, code.desc.beside, beside, lt.workspace.address);
  const found = algorithms(lt, desc, [a, b, d], wanted);
  if (!found.length) return undefined;
  return { desc, a, b, d, algorithms: found, bias, beside, algorithm: addressOf(found[0]!) };
}

/** What runs products on a stream. */
export interface Multiplier {
  multiply(product: Product, at: Operands): void;
  multiplies(product: Product): boolean;
}

export interface Tuning {
  /** Time in ms that the GPU takes for `work`, called several times. */
  readonly measure?: (work: () => unknown) => number;
}

type Launch = (at: Prepared, operands: Operands) => number;

function launcher({ calls, handle, one, zero, workspace: { address, bytes } }: Context, stream: number): Launch {
  const { multiply } = calls;
  return ({ desc, a: la, b: lb, d: ld, algorithm }, { a, b, d }) =>
    multiply(handle, desc, one, b, la, a, lb, zero, d, ld, d, ld, algorithm, address, bytes, stream);
}

/** Times each algorithm on the operands at hand: results are written over, never read. */
function choose(at: Prepared, run: () => number, measure: NonNullable<Tuning["measure"]>): void {
  let best = { ms: Number.POSITIVE_INFINITY, algorithm: at.algorithm };
  for (const algorithm of at.algorithms.map((each) => addressOf(each))) {
    at.algorithm = algorithm;
    if (run()) continue;
    const ms = measure(run);
    if (ms < best.ms) best = { ms, algorithm };
  }
  at.algorithm = best.algorithm;
}

/** `measure` absent: the first algorithm that cuBLASLt names is used, the same in every run. */
export function multiplier(lt: Context, compute: Compute, stream: number, { measure }: Tuning): Multiplier {
  /** Found by rows of the result: few are of one height. Without `at` there is no algorithm. */
  const known = new Map<number, { readonly product: Product; readonly at: Prepared | undefined }[]>();
  const tuned = new Set<Prepared>();
  const launch = launcher(lt, stream);
  const worth = ({ m, n, k, batch }: Product): boolean =>
    2 * m * n * k * batch >= WORTH_TIMING && measure !== undefined;
  const prepared = (product: Product): Prepared | undefined => {
    const alike = known.get(product.m) ?? [];
    const found = alike.find((each) => same(each.product, product));
    if (found) return found.at;
    const at = prepare(lt, product, compute, worth(product) ? 8 : 1);
    known.set(product.m, [...alike, { product, at }]);
    return at;
  };
  return {
    multiplies: (product) => prepared(product) !== undefined,
    multiply(product, operands) {
      const at = prepared(product);
      if (!at) throw new Error(`device cuda: cuBLASLt has no algorithm for ${show(product)}`);
      pointTo(lt, at.desc, code.desc.bias, at.bias, operands.bias);
      pointTo(lt, at.desc, code.desc.beside, at.beside, operands.beside);
      if (measure && !tuned.has(at)) {
        if (worth(product)) choose(at, () => launch(at, operands), measure);
        tuned.add(at);
      }
      const result = launch(at, operands);
      if (result) throw new Error(`device cuda: product ${show(product)}: ${describe(result)}`);
    },
  };
}
