// cuDNN's backend API, as far as graphs of operations need it: descriptors with attributes by number (cudnn_graph.h, 9.x). Every
// call throws on an error, with cuDNN's own words.

import { out } from "../driver/calls.ts";
import { addressOf, load } from "../library/load.ts";

/** Types of attributes, by cuDNN's numbers. */
export const attributeType = {
  handle: 0,
  data: 1,
  bool: 2,
  i64: 3,
  float: 4,
  pointer: 6,
  convolution: 7,
  heuristic: 8,
  note: 11,
  pointwise: 14,
  descriptor: 15,
  reduction: 18,
} as const;

/** Kinds of descriptors. */
export const kind = {
  pointwise: 0,
  convolution: 1,
  engine: 2,
  config: 3,
  heuristic: 4,
  plan: 5,
  forward: 10,
  filterGrad: 11,
  inputGrad: 12,
  pointwiseOperation: 13,
  graph: 15,
  variant: 16,
  tensor: 17,
  matmul: 18,
  matmulOperation: 19,
  reduction: 21,
  reductionOperation: 22,
  reshapeOperation: 31,
} as const;

type AttributeType = keyof typeof attributeType;
type Value = Float32Array | Uint8Array | Int32Array | BigInt64Array;

const wide = new Set<AttributeType>(["handle", "i64", "pointer", "descriptor"]);

/** Values as C has them. The buffer is its own, so that it does not move during the call. */
function encoded(type: AttributeType, values: readonly number[]): Value {
  const memory = new ArrayBuffer(8 * values.length);
  if (wide.has(type)) return new BigInt64Array(memory).map((_, i) => BigInt(values[i]!));
  if (type === "float") return new Float32Array(memory, 0, values.length).map((_, i) => values[i]!);
  if (type === "bool") return new Uint8Array(memory, 0, values.length).map((_, i) => values[i]!);
  return new Int32Array(memory, 0, values.length).map((_, i) => values[i]!);
}

export interface Cudnn {
  readonly version: number;
  /** Makes a descriptor, sets its attributes, and finishes it. */
  make(of: keyof typeof kind, attributes: readonly Attribute[]): number;
  /** Reads one 64-bit attribute. */
  number(descriptor: number, attribute: number): number;
  /** Descriptors of a kind that an attribute holds, in its order, at most so many. */
  list(descriptor: number, attribute: number, of: keyof typeof kind, most: number): number[];
  /** Numerical notes of an engine, by cuDNN's numbers. */
  notes(engine: number): number[];
  destroy(descriptor: number): void;
  run(plan: number, variant: number): void;
  readonly handle: number;
}

/** Most notes of an engine that are read. */
const NOTES = 16;

export type Attribute = readonly [name: number, type: AttributeType, values: readonly number[]];

const prototypes = {
  create: "int cudnnBackendCreateDescriptor(int kind, _Out_ uint64_t* descriptor)",
  destroy: "int cudnnBackendDestroyDescriptor(uint64_t descriptor)",
  set: "int cudnnBackendSetAttribute(uint64_t descriptor, int name, int type, int64_t count, void* values)",
  get: "int cudnnBackendGetAttribute(uint64_t descriptor, int name, int type, int64_t wanted, void* count, void* values)",
  finalize: "int cudnnBackendFinalize(uint64_t descriptor)",
  execute: "int cudnnBackendExecute(uint64_t handle, uint64_t plan, uint64_t variant)",
  open: "int cudnnCreate(_Out_ uint64_t* handle)",
  setStream: "int cudnnSetStream(uint64_t handle, uint64_t stream)",
} as const;

function declared(path: string) {
  const library = load(path);
  const lastError = library.declare("void cudnnGetLastErrorString(void* text, size_t bytes)");
  const words = (): string => {
    const text = new Uint8Array(512);
    lastError(text, text.length);
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  };
  const checked = (prototype: string) => {
    const call = library.declare(prototype);
    return (...args: readonly unknown[]): void => {
      const code = call(...args);
      if (code) throw new Error(`device cuda: cuDNN: error ${code}, ${words()}`);
    };
  };
  const all = Object.entries(prototypes).map(([key, prototype]) => [key, checked(prototype)]);
  const calls = Object.fromEntries(all) as Readonly<
    Record<keyof typeof prototypes, (...args: readonly unknown[]) => void>
  >;
  return { calls, version: library.declare("size_t cudnnGetVersion()")() };
}

/** Loads cuDNN and opens it on a stream. cuBLASLt and NVRTC must have been loaded: it finds them in the process. */
export function openCudnn(path: string, stream: number): Cudnn {
  const { calls, version } = declared(path);
  const handle = out((into) => calls.open(into));
  calls.setStream(handle, stream);
  const set = (descriptor: number, [name, type, values]: Attribute): void =>
    calls.set(descriptor, name, attributeType[type], values.length, encoded(type, values));
  const create = (of: keyof typeof kind): number => out((into) => calls.create(kind[of], into));
  const get = (descriptor: number, name: number, type: AttributeType, into: BigInt64Array | Int32Array): number => {
    const count = new BigInt64Array(new ArrayBuffer(8));
    calls.get(descriptor, name, attributeType[type], into.length, count, into);
    return Number(count[0]);
  };
  const one = (value: number): BigInt64Array => new BigInt64Array(new ArrayBuffer(8)).fill(BigInt(value));
  return {
    version,
    handle,
    make(of, attributes) {
      const made = create(of);
      for (const attribute of attributes) set(made, attribute);
      calls.finalize(made);
      return made;
    },
    number(descriptor, attribute) {
      const into = one(0);
      get(descriptor, attribute, "i64", into);
      return Number(into[0]);
    },
    list(descriptor, attribute, of, most) {
      const made = new BigInt64Array(new ArrayBuffer(8 * most)).map(() => BigInt(create(of)));
      const found = get(descriptor, attribute, "descriptor", made);
      for (const rest of made.subarray(found)) calls.destroy(rest);
      return Array.from(made.subarray(0, found), Number);
    },
    notes(engine) {
      const into = new Int32Array(new ArrayBuffer(4 * NOTES));
      return [...into.subarray(0, get(engine, 1303, "note", into))];
    },
    destroy: (descriptor) => calls.destroy(descriptor),
    run: (plan, variant) => calls.execute(handle, plan, variant),
  };
}

/** Memory for scalars that cuDNN reads at each run. */
export function scalars(values: readonly number[]): {
  readonly memory: Float32Array;
  readonly addresses: readonly number[];
} {
  const memory = new Float32Array(new ArrayBuffer(4 * values.length));
  memory.set(values);
  const base = addressOf(memory);
  return { memory, addresses: values.map((_, i) => base + 4 * i) };
}
