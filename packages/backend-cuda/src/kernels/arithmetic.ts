// tfjs's element-by-element kernels, from the tables of expressions: unary, binary, sums of many, select, cast, fill.
import { backend_util, type DataType, type TensorInfo, util } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { storage } from "../backend/entry.ts";
import { binary, type Entry, forIntegers, unary, withConstants } from "../sources/expressions.ts";
import { register } from "../sources/prelude.ts";
import { sizeOf } from "./dims.ts";
import { apply } from "./elementwise.ts";
import type { Attributes, Compute, Inputs, Table } from "./table.ts";

const integers = (b: CudaBackend, x: TensorInfo): boolean => register(b.entry(x.dataId).stored) === "int";

const textFor = (entry: Entry, whole: boolean): string => (whole ? forIntegers(entry) : entry.float);

const one =
  (name: string, entry: Entry, attributes: readonly string[] = []): Compute =>
  (b, { x }, attrs) => {
    const constants = attributes.map((key) => attrs[key] as number);
    const expression = { name, text: textFor(entry, integers(b, x!)), constants };
    return apply(b, expression, [x!], x!.shape, entry.gives ?? x!.dtype);
  };

const pairNames: Readonly<Record<string, readonly [string, string]>> = { EluGrad: ["dy", "y"], Prelu: ["x", "alpha"] };

const two = (name: string, entry: Entry): Compute => {
  const [first, second] = pairNames[name] ?? ["a", "b"];
  return (b, inputs) => combine(b, name, inputs[first]!, inputs[second]!, entry);
};

/** A binary kernel of the tables on two tensors that broadcast. */
export function combine(b: CudaBackend, name: string, x: TensorInfo, y: TensorInfo, entry = binary[name]!): TensorInfo {
  const shape = backend_util.assertAndGetBroadcastShape(x.shape, y.shape);
  const whole = integers(b, x) && integers(b, y);
  const dtype = entry.gives ?? (x.dtype === "bool" ? (y.dtype === "bool" ? "int32" : y.dtype) : x.dtype);
  return apply(b, { name, text: textFor(entry, whole) }, [x, y], shape, dtype);
}

/** A unary kernel of the tables. */
export const map = (b: CudaBackend, name: string, x: TensorInfo): TensorInfo =>
  one(name, unary[name]!)(b, { x }, {}) as TensorInfo;

/** Most inputs that are added at a time. */
const MOST = 6;

function addN(b: CudaBackend, inputs: Inputs): TensorInfo {
  const xs = Object.values(inputs);
  if (xs.length === 1) return b.share(xs[0]!);
  const some = xs.slice(0, MOST);
  const text = some.map((_, i) => "abcdef"[i]).join(" + ");
  const sum = apply(b, { name: "AddN", text }, some, some[0]!.shape, some[0]!.dtype);
  if (xs.length <= MOST) return sum;
  const all = addN(b, { sum, ...xs.slice(MOST) } as unknown as Inputs);
  b.release(sum);
  return all;
}

/** `condition ? t : e`; a condition of rank 1 picks whole rows. */
function select(b: CudaBackend, { condition, t, e }: Inputs): TensorInfo {
  const rows = condition!.shape.length === 1 && t!.shape.length > 1;
  const shape = rows ? [condition!.shape[0]!, ...t!.shape.slice(1).fill(1)] : condition!.shape;
  return apply(b, { name: "Select", text: "a ? b : c" }, [{ ...condition!, shape }, t!, e!], t!.shape, t!.dtype);
}

/** Elements of one dtype as another; numbers become whole towards zero, and true where they are not 0. */
export function cast(b: CudaBackend, x: TensorInfo, dtype: DataType): TensorInfo {
  if (x.dtype === dtype) return b.share(x);
  const { complex } = b.entry(x.dataId);
  if (complex) return cast(b, complex.real, dtype);
  if (dtype === "complex64") return b.complex(cast(b, x, "float32"), fill(b, x.shape, 0, "float32"));
  return apply(b, { name: "Cast", text: dtype === "bool" ? "(int)(a != 0)" : "a" }, [x], x.shape, dtype);
}

const words = (value: number, dtype: DataType): number =>
  new Uint32Array((dtype === "int32" ? Int32Array : Float32Array).of(value).buffer)[0]!;

/** A tensor of one value. */
export function fill(b: CudaBackend, shape: readonly number[], value: number, dtype: DataType): TensorInfo {
  if (storage(dtype) === "u8") return apply(b, { name: "Ones", text: "(int)s0", constants: [value] }, [], shape, dtype);
  const y = b.output(shape, dtype);
  const { size } = b.entry(y.dataId);
  if (size) b.gpu.fill(b.address(y), words(value, dtype), size);
  return y;
}

function strings(b: CudaBackend, shape: number[], value: string): TensorInfo {
  const bytes = util.encodeString(value);
  const all = new Array<Uint8Array>(sizeOf(shape)).fill(bytes);
  return { dataId: b.write(all, shape, "string"), shape, dtype: "string" };
}

const filled = (b: CudaBackend, attrs: Attributes): TensorInfo => {
  const { shape, value, dtype } = attrs as { shape: number[]; value: number; dtype?: DataType };
  if (typeof value === "string") return strings(b, shape, value);
  return fill(b, shape, value, dtype ?? "float32");
};

const like =
  (value: number): Compute =>
  (b, { x }) => {
    if (x!.dtype !== "complex64") return fill(b, x!.shape, value, x!.dtype);
    return b.complex(fill(b, x!.shape, value, "float32"), fill(b, x!.shape, 0, "float32"));
  };

const fromEntries = (make: (name: string, entry: Entry) => Compute, entries: Readonly<Record<string, Entry>>): Table =>
  Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, make(name, entry)]));

export const arithmetic: Table = {
  ...fromEntries(one, unary),
  ...fromEntries(two, binary),
  ...Object.fromEntries(Object.entries(withConstants).map(([name, at]) => [name, one(name, at, at.attributes)])),
  AddN: addN,
  Cast: (b, { x }, { dtype }) => cast(b, x!, dtype as DataType),
  Fill: (b, _, attrs) => filled(b, attrs),
  OnesLike: like(1),
  Select: select,
  ZerosLike: like(0),
};
