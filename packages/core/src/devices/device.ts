// What a device is: a plugin that makes tfjs compute somewhere. Types and names only; index.ts starts one.
import type { KernelConfig, Tensor } from "@tensorflow/tfjs";

/** What a device is told when it starts. */
export interface Where {
  /** Position of this rank's thread among those of this machine that hold ranks, from 0: picks one of several accelerators. */
  readonly localRank: number;
  /** Number format of matrix products, in the device's own words ("tf32", "bf16"); absent, the device's default. */
  readonly precision?: string | undefined;
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
  /** True where data may be seen under another shape by counting one reference more: tfjs's Reshape does no more on that backend. */
  readonly views?: boolean;
  /** Copies the elements of a float32 tensor into a vector of its size, at once. Absent: they are read with `data()`. */
  read?(x: Tensor, into: Float32Array): void;
  /** What computes, in a few words: the name of a card, the version of a library. */
  readonly detail?: string;
  /** True where it computes on a GPU, and not on software that stands for one: "auto" asks. */
  readonly gpu?: boolean;
  /** Copies the elements of several float32 tensors with one wait for all. Absent: each is waited for. */
  readAll?(xs: readonly Tensor[]): Promise<Float32Array[]>;
}

/** A place to compute: a plain object, started once in each thread that holds ranks. */
export interface Device {
  readonly name: string;
  /** Number formats of matrix products that it can be asked for; absent, it says itself at its start which it knows. */
  readonly precisions?: readonly string[];
  /** Prepares a tfjs backend in this thread. Throws where it cannot start, with what to do about it. */
  start(where: Where): Promise<Active>;
  /** 1 where it computes in one thread of a process only: ranks that are spread over several are refused. */
  readonly threads?: 1;
}

/** Names of the devices that can be chosen: "auto" takes the first that works (`choose.ts`), the rest are one each. */
export const deviceNames = ["auto", "wasm", "cpu", "webgpu", "tensorflow", "cuda"] as const;

/** A device that has a name to choose it by. */
export type DeviceName = (typeof deviceNames)[number];

/** Where tensors are computed: a device by name, or one of your own. */
export type DeviceChoice = DeviceName | Device;

/** Refuses a number format that a device does not have. */
export function checkPrecision({ name, precisions }: Device, precision: string | undefined): void {
  if (precision === undefined || !precisions || precisions.includes(precision)) return;
  throw new Error(
    `device ${name} has no precision "${precision}"; it has ${precisions.join(", ")}. cuda has fp32, tf32 and bf16`,
  );
}

/** Refuses what is no device. `from` says who named it, for the message. */
export function checkDevice(choice: DeviceChoice, from = ""): void {
  if (typeof choice === "string" && !deviceNames.includes(choice))
    throw new Error(`${from}no device "${choice}"; there are ${deviceNames.join(", ")}, and objects of your own`);
  if (typeof choice === "object" && typeof choice.start !== "function")
    throw new Error(
      `device ${choice.name} has no start(): a device is { name, start(where) } (docs/write-a-device.md)`,
    );
}
