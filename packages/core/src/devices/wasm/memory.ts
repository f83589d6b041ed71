// Memory of the wasm backend at its end. tfjs takes the address 0 that a full heap answers with for a tensor's, and computes on: here it
// is an error with the tensor, and what was asked for, held and free.
import { env } from "node:process";
import * as tf from "@tensorflow/tfjs";
import { bytesShown } from "../memory.ts";

/** What WebAssembly can address. */
const addressable = 4 * 2 ** 30;

interface Allocates extends tf.KernelBackend {
  readonly wasm: { _malloc(bytes: number): number; _free(at: number): void };
  move(id: object, values: unknown, shape: readonly number[], ...rest: unknown[]): void;
  /** Bytes that tensors may take, once it is watched. */
  bytesAllowed?: number;
}

/** No room for so many bytes; which tensor they were for is added outside. */
class Full extends Error {}

/** Bytes that tensors of this thread may take, as ORTHANT_WASM_BYTES has it. */
function bytesAllowed(): number {
  const given = env.ORTHANT_WASM_BYTES;
  const bytes = Number(given || addressable);
  if (bytes > 0) return Math.min(bytes, addressable);
  throw new Error(`device wasm: ORTHANT_WASM_BYTES is "${given}"; it must be a number of bytes, such as 1e9`);
}

/** Makes a full heap an error. Every tensor of tfjs's wasm backend comes through `move`. */
function watched(backend: Allocates): Allocates {
  const { wasm, move } = backend;
  wasm._free(wasm._malloc(1)); // Emscripten puts the function in its place at the first call
  const { _malloc } = wasm;
  wasm._malloc = (bytes) => {
    const [held, limit] = [tf.engine().state.numBytes, backend.bytesAllowed!];
    const at = held + bytes > limit ? 0 : _malloc(bytes);
    if (at || !bytes) return at;
    const free = `${bytesShown(limit - held)} free of ${bytesShown(limit)} in a thread, perhaps in pieces`;
    throw new Full(`${bytesShown(bytes)} asked for, ${bytesShown(held)} held, ${free}`);
  };
  backend.move = (id, values, shape, ...rest) => {
    try {
      move.call(backend, id, values, shape, ...rest);
    } catch (error) {
      if (!(error instanceof Full)) throw error;
      const why = `device wasm: out of memory: a tensor of [${shape}]: ${error.message}`;
      throw new Error(`${why}: a smaller batch, recompute, or more ranks`);
    }
  };
  return backend;
}

/** Has tfjs make its wasm backend so; one that is there already gets the limit of now. */
export function watchMemory(): void {
  const [name, limit] = ["wasm", bytesAllowed()];
  const running = tf.engine().registry[name] as Allocates | undefined;
  if (running) Object.assign(running.bytesAllowed ? running : watched(running), { bytesAllowed: limit });
  const make = tf.findBackendFactory(name);
  if (running || !make) return;
  tf.removeBackend(name);
  const made = async () => Object.assign(watched((await make()) as Allocates), { bytesAllowed: limit });
  tf.registerBackend(name, made, 2); // tfjs's own priority
}
