// What a device is: a plugin that makes tfjs compute somewhere. Types and names only; index.ts starts one.
import type { KernelConfig, Tensor } from "@tensorflow/tfjs";

/** What a device is told when it starts. */
export interface Where {
  /** Position of this thread among the threads of this process that hold ranks, from 0: picks one of several accelerators. */
  readonly localRank: number;
  /** Number format of matrix products, in the device's own words ("tf32", "bf16"); absent, the device's default. */
  readonly precision?: string;
}

/** A device that has started in this thread, as a tfjs backend. */
export interface Active {
  /** Name of a backend that tfjs knows by now: it becomes the thread's. */
  readonly backend: string;
  /** Kernels to register for that backend, in place of those it has: tfjs's own by name, and `orthant.*`. */
  readonly kernels?: readonly KernelConfig[];
  /** Counts the bytes that tensors occupy on the device. */
  bytesHeld?(): number;
  /** True where a tensor made from a vector has memory of its own, so that the vector may be written again. */
  readonly copiesVectors?: boolean;
  /** Copies the elements of a float32 tensor into a vector of its size, at once. Absent: they are read with `data()`. */
  read?(x: Tensor, into: Float32Array): void;
  /** Copies the elements of several float32 tensors with one wait for all. Absent: each is waited for. */
  readAll?(xs: readonly Tensor[]): Promise<Float32Array[]>;
}

/** A place to compute: a plain object, started once in each thread that holds ranks. */
export interface Device {
  readonly name: string;
  /** Prepares a tfjs backend in this thread. Throws where it cannot start, with what to do about it. */
  start(where: Where): Promise<Active>;
}

/** Names of the devices that come with core; "auto" is wasm. */
export const deviceNames = ["auto", "wasm", "cpu", "webgpu"] as const;

/** Where tensors are computed: a device by name, or one of your own. */
export type DeviceChoice = (typeof deviceNames)[number] | Device;

/** Refuses what is no device. */
export function checkDevice(choice: DeviceChoice): void {
  if (typeof choice === "string" && !deviceNames.includes(choice))
    throw new Error(`no device "${choice}"; there are ${deviceNames.join(", ")}, and objects of your own`);
  if (typeof choice === "object" && typeof choice.start !== "function")
    throw new Error(
      `device ${choice.name} has no start(): a device is { name, start(where) } (docs/write-a-device.md)`,
    );
}
