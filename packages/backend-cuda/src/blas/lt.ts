// cuBLASLt's API, as far as matrix products need it. Handles and addresses are numbers; every call throws on an error.

import { out } from "../driver/calls.ts";
import { addressOf, type Call, load } from "../library/load.ts";

const status: Readonly<Record<number, string>> = {
  1: "not initialized",
  3: "out of memory",
  7: "invalid value",
  8: "architecture not supported",
  13: "execution failed",
  14: "internal error",
  15: "not supported",
};

const prototypes = {
  create: "cublasLtCreate(_Out_ uint64_t* handle)",
  destroy: "cublasLtDestroy(uint64_t handle)",
  descCreate: "cublasLtMatmulDescCreate(_Out_ uint64_t* desc, int compute, int scale)",
  descSet: "cublasLtMatmulDescSetAttribute(uint64_t desc, int attribute, void* value, size_t bytes)",
  descSetAt: "cublasLtMatmulDescSetAttribute(uint64_t desc, int attribute, uint64_t value, size_t bytes)",
  layoutCreate:
    "cublasLtMatrixLayoutCreate(_Out_ uint64_t* layout, int type, uint64_t rows, uint64_t columns, int64_t ld)",
  layoutSet: "cublasLtMatrixLayoutSetAttribute(uint64_t layout, int attribute, void* value, size_t bytes)",
  preferCreate: "cublasLtMatmulPreferenceCreate(_Out_ uint64_t* preference)",
  preferSet: "cublasLtMatmulPreferenceSetAttribute(uint64_t preference, int attribute, void* value, size_t bytes)",
} as const;

const multiplyPrototype =
  "int cublasLtMatmul(uint64_t handle, uint64_t desc, uint64_t alpha, uint64_t a, uint64_t la, uint64_t b, uint64_t lb, uint64_t beta, uint64_t c, uint64_t lc, uint64_t d, uint64_t ld, uint64_t algorithm, uint64_t workspace, size_t bytes, uint64_t stream)";
const heuristicPrototype =
  "int cublasLtMatmulAlgoGetHeuristic(uint64_t handle, uint64_t desc, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t preference, int wanted, void* results, _Out_ int* found)";

export type Calls = Readonly<Record<keyof typeof prototypes, (...args: readonly unknown[]) => void>> & {
  /** As the library has them, a result code returned. */
  readonly multiply: Call;
  readonly heuristic: Call;
};

/** Types and attributes by cuBLASLt's numbers. */
export const code = {
  type: { f32: 0, bf16: 14 },
  compute: { fp32: 68, tf32: 77, bf16: 68 },
  desc: { transposeA: 3, transposeB: 4, epilogue: 7, bias: 8, beside: 11, besideRow: 12, besideType: 22, biasType: 26 },
  layout: { batch: 5, stride: 6 },
  prefer: { workspace: 1 },
  epilogue: { none: 1, relu: 2, bias: 4, reluBias: 6, geluBias: 164, geluGrad: 192 },
} as const;

export const describe = (result: number): string => status[result] ?? `error ${result}`;

export function ltCalls(path: string): Calls {
  const library = load(path);
  const checked = (prototype: string) => {
    const call = library.declare(`int ${prototype}`);
    const name = prototype.slice(0, prototype.indexOf("("));
    return (...args: readonly unknown[]): void => {
      const result = call(...args);
      if (result) throw new Error(`${name}: ${describe(result)}`);
    };
  };
  const all = Object.entries(prototypes).map(([key, prototype]) => [key, checked(prototype)]);
  return {
    ...(Object.fromEntries(all) as Omit<Calls, "multiply" | "heuristic">),
    multiply: library.declare(multiplyPrototype),
    heuristic: library.declare(heuristicPrototype),
  };
}

/** What all products of a thread share. */
export interface Context {
  readonly calls: Calls;
  readonly handle: number;
  readonly preference: number;
  readonly workspace: { readonly address: number; readonly bytes: number };
  /** Addresses of 1 and 0 as float32. */
  readonly one: number;
  readonly zero: number;
  /** Keeps that memory alive. */
  readonly numbers: Float32Array;
}

/** Bytes that NVIDIA advises for Hopper, twice. */
const WORKSPACE = 64 * 1024 * 1024;

export function openLt(path: string, allocate: (bytes: number) => number): Context {
  const calls = ltCalls(path);
  const numbers = new Float32Array(new ArrayBuffer(8)); // memory of its own does not move
  numbers.set([1, 0]);
  const preference = out((into) => calls.preferCreate(into));
  calls.preferSet(preference, code.prefer.workspace, BigUint64Array.of(BigInt(WORKSPACE)), 8);
  return {
    calls,
    handle: out((into) => calls.create(into)),
    preference,
    workspace: { address: allocate(WORKSPACE), bytes: WORKSPACE },
    one: addressOf(numbers),
    zero: addressOf(numbers.subarray(1)),
    numbers,
  };
}
