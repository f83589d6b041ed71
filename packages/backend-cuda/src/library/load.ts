// Loads a shared library and declares its functions in C. The only file that knows koffi's types.
import koffi from "koffi";

/** A C function: numbers, strings, typed arrays (as pointers to their memory) in; its return value out. */
export type Call = (...args: readonly unknown[]) => number;

/** A loaded library. */
export interface Library {
  readonly path: string;
  /** A function by its C prototype, `int cuInit(unsigned int flags)`. */
  declare(prototype: string): Call;
}

/** Loads a library for this process. Throws what the system's loader says. */
export function load(path: string): Library {
  const library = koffi.load(path, { global: true, deep: false });
  return { path, declare: (prototype) => library.func(prototype) as Call };
}

/** Address of a typed array's memory, for structures that hold pointers. The array must outlive its use. */
export const addressOf = (memory: ArrayBufferView | ArrayBuffer): number => Number(koffi.address(memory));

/** The memory of `bytes` bytes at an address that C gave, without a copy. */
export const memoryAt = (address: number, bytes: number): ArrayBuffer => koffi.view(BigInt(address), bytes);

/** A zero-terminated string at an address that C gave. */
export const textAt = (address: number | bigint): string => koffi.decode.string(address, -1);
